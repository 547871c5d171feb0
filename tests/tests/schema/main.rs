//! Holds `tests/scenarios/schema.txt` to the core: every event, value, error, option and word of its interface.
//!
//! `PEERGRAPH_WRITE_SCHEMA=1` writes the file anew. Bindings compare themselves with it.

mod shapes;
mod words;

use std::{fs, path::PathBuf};

use peergraph::{
    BodyState, Conflict, ConflictQuery, ConnectOptions, ConnectionInfo, CreateGraph, CreateGroup,
    CreateIdentity, Durability, ErrorKind, Event, EventKind, Genesis, GraphProperties, GroupRules,
    ImportCount, ImportDatabase, InviteLink, InviteMember, InvitePassword, JoinGraph, JoinGroup, JoinOutcome,
    KeyProtection, ListQuery, ListenOutcome, NetworkMode, NodeAddr, NodeConfig, OpenGraph, OpenInvitation,
    OpenOutcome, Progress, PropertiesUpdate, Record, RecordDraft, RecordUpdate, RemoveMember, RevokedDevice,
    Role, TypeRule, UpdateOutcome,
    events::{
        ChangeKind, ChangeOrigin, ConnectionChange, ConnectionEvent, ConnectionKind, FailureReason,
        GroupFailure, IncomingData, MemberChange, MemberInfo, NodeChange, NodeInfo, RecordChanged,
        RequiredReason, Status, SubscribeOptions, SyncProgress,
    },
    names::Named,
    records::Fingerprint,
};
use shapes::{Shape, shape_of, snake};

/// A structure and its fields.
pub(crate) trait Fields {
    fn fields() -> Vec<(&'static str, String)>;
}

enums! {
    EventKind {
        StatusChanged PropertyChanged RecordChanged DirectConnection NeighborConnection IncomingData
        ConnectionRequired NodeChanged Synchronized MemberChanged ConnectionFailed SyncProgress
    }
    ChangeKind { Added Updated Deleted Expired }
    ChangeOrigin { Local Flood Sync Feed }
    ConnectionKind { Neighbor Direct }
    ConnectionChange { Connected Disconnected Failed Referred }
    FailureReason {
        Refused Unreachable NotAuthenticated TimedOut Cancelled Closed ClosedByPeer Lost Pruned Protocol
        UnsupportedVersion Busy
    }
    RequiredReason { Probe Isolated }
    NodeChange { Connected Disconnected Updated }
    MemberChange { Joined Updated Connected Disconnected Left Removed Expired }
    GroupFailure {
        NoMembersFound NoneConnectable CannotListen NotAuthorized InvitationInvalid WrongPassword Throttled
        TimedOut Busy
    }
    Role { Reader Member Inviter Admin Owner }
    BodyState { Clear KeyMissing Unreadable }
    OpenOutcome { Created Existing }
    ListenOutcome { Started AlreadyListening }
    JoinOutcome { Joined AlreadyMember }
    NetworkMode { Local Internet Custom }
    KeyProtection { Plain Passphrase Key Source }
    Durability { Synced Relaxed }
}

/// The words of the core are the variants' names.
#[test]
fn words_are_the_names_of_their_variants() {
    fn check<T: Named + std::fmt::Debug + PartialEq>() {
        assert!(!T::VARIANTS.is_empty());
        for variant in T::VARIANTS {
            assert_eq!(variant.word(), snake(&format!("{variant:?}")), "of {}", T::TYPE);
            assert_eq!(T::from_word(variant.word()).expect("a word"), *variant);
        }
        let unknown = T::from_word("nothing").expect_err("no such word");
        assert_eq!(unknown.kind(), ErrorKind::InvalidArgument);
        assert!(
            unknown.message().contains(T::TYPE) && unknown.message().contains(T::VARIANTS[0].word()),
            "{unknown}"
        );
    }
    check::<EventKind>();
    check::<ChangeKind>();
    check::<ChangeOrigin>();
    check::<ConnectionKind>();
    check::<FailureReason>();
    check::<RequiredReason>();
    check::<NodeChange>();
    check::<MemberChange>();
    check::<GroupFailure>();
    check::<BodyState>();
    check::<OpenOutcome>();
    check::<ListenOutcome>();
    check::<JoinOutcome>();
    check::<Durability>();
}

structs! {
    Status { listening has_connections synchronized clock_skew_ms }
    SyncProgress { records bytes records_expected bytes_expected }
    RecordChanged { change record origin conflict cursor }
    ConnectionEvent { change connection node peer }
    IncomingData { connection kind node peer data_type data }
    NodeInfo { node peer addr attributes since }
    NodeAddr { node addrs relay }
    MemberInfo { peer name role not_after issuer nodes }
    ConnectionInfo { connection kind node peer addr rtt utility }
    Record {
        id record_type version creator author created modified expires deleted attributes body body_state key
        replaced held
    }
    Conflict { winner loser noticed }
    RecordDraft { record_type attributes body expires }
    Genesis { creator max_record nonce rules }
    OpenInvitation { key issuer role uses used not_after }
    RevokedDevice { node by at }
    ImportCount { added known refused waiting }
    UpdateOutcome { id version }
    Fingerprint { count hash }
    Progress { hop next }
    JoinGroup { invitation name identity password deadline on_progress }
    JoinGraph { ticket deadline on_progress }
    TypeRule { record_type publish edit }
}

options! {
    NodeConfig {
        data_dir identity key_protection encrypt_database network bind mdns target_neighbors max_neighbors
        min_neighbors ping_interval durability tombstone_lifetime version
    }
    CreateGraph { properties max_record seed precedence }
    OpenGraph { precedence offline }
    CreateGroup { properties rules max_record precedence identity }
    GraphProperties { name comment presence_lifetime presence_max defer_expiration }
    GroupRules {
        creator_name min_version max_chain properties records_end_with_membership encrypted_bodies types
    }
    PropertiesUpdate { name comment presence_lifetime presence_max defer_expiration }
    RecordUpdate { attributes body expires expected_version }
    ListQuery { record_type creator include_deleted include_reserved after through limit count }
    ConflictQuery { record after limit }
    SubscribeOptions { filter start capacity }
    ConnectOptions { expected_peer deadline }
    CreateIdentity { name classifier key }
    InviteMember { role lifetime }
    InviteLink { role uses valid lifetime admitters }
    InvitePassword { role lifetime }
    RemoveMember { reason keep_records with_branch undo }
    ImportDatabase { password exporter }
}

/// What a connection event tells beside its own fields: what its change carries.
fn change_fields() -> Vec<(&'static str, String)> {
    use ConnectionChange::{Connected, Disconnected, Failed, Referred};
    fn exhaustive(change: &ConnectionChange) {
        match change {
            Connected | Disconnected { reason: _ } | Failed { reason: _ } | Referred { hop: _, next: _ } => {}
        }
    }
    let _ = exhaustive;
    let reason = shape_of(|change: &ConnectionChange| match change {
        Disconnected { reason } | Failed { reason } => Some(reason),
        Connected | Referred { .. } => None,
    });
    let hop = shape_of(
        |change: &ConnectionChange| if let Referred { hop, .. } = change { Some(hop) } else { None },
    );
    let next = shape_of(
        |change: &ConnectionChange| if let Referred { next, .. } = change { Some(next) } else { None },
    );
    vec![("reason", reason + "?"), ("hop", hop + "?"), ("next", next + "?")]
}

/// The fields of one event: named ones, the name that a single value goes by, or those of a structure in its place.
macro_rules! event_fields {
    ($variant:ident ()) => {
        Vec::new()
    };
    ($variant:ident { $($field:ident)* }) => {{
        fn exhaustive(event: &Event) {
            if let Event::$variant { $($field: _),* } = event {}
        }
        let _ = exhaustive;
        vec![$((
            stringify!($field),
            shape_of(|event: &Event| if let Event::$variant { $field, .. } = event { Some($field) } else { None }),
        )),*]
    }};
    ($variant:ident ( $name:ident )) => {
        vec![(
            stringify!($name),
            shape_of(|event: &Event| if let Event::$variant(value) = event { Some(value) } else { None }),
        )]
    };
    ($variant:ident [ $kind:ident $(+ $more:ident)? ]) => {{
        fn is_one(event: &Event) -> Option<&$kind> {
            if let Event::$variant(value) = event { Some(value) } else { None }
        }
        let _ = is_one;
        #[allow(unused_mut)]
        let mut fields = <$kind>::fields();
        $(fields.extend($more());)?
        fields
    }};
}

macro_rules! events {
    ($($variant:ident => $shape:tt;)*) => {
        fn events(lines: &mut Vec<String>) {
            fn exhaustive(event: &Event) {
                match event {
                    $(Event::$variant { .. } => {})*
                }
            }
            let _ = exhaustive;
            $(
                lines.push(format!("event {}", snake(stringify!($variant))));
                let fields: Vec<(&'static str, String)> = event_fields!($variant $shape);
                for (field, shape) in fields {
                    lines.push(format!("tells {} {field} {shape}", snake(stringify!($variant))));
                }
            )*
        }
    };
}

events! {
    StatusChanged => (status);
    PropertyChanged => { changed properties };
    RecordChanged => [RecordChanged];
    DirectConnection => [ConnectionEvent + change_fields];
    NeighborConnection => [ConnectionEvent + change_fields];
    IncomingData => [IncomingData];
    ConnectionRequired => (reason);
    NodeChanged => { change node };
    Synchronized => (record_type);
    MemberChanged => { change member };
    ConnectionFailed => (reason);
    SyncProgress => [SyncProgress];
    Lagged => { dropped };
    Reset => ();
    CaughtUp => (cursor);
}

fn schema() -> String {
    let mut lines = vec![
        "# What every language offers, as the core has it. Written by tests/tests/schema: never by hand."
            .to_owned(),
        "# error NAME CODE; value ENUM NAME; event NAME; tells EVENT FIELD TYPE; field STRUCT FIELD TYPE;"
            .to_owned(),
        "# option STRUCT FIELD TYPE DEFAULT; type NAME; method TYPE NAME async|plain ARGUMENTS. TYPE? may be"
            .to_owned(),
        "# none, [TYPE] is several.".to_owned(),
    ];
    lines.extend(ErrorKind::ALL.iter().map(|kind| format!("error {} {}", kind.name(), kind.code())));
    enums(&mut lines);
    events(&mut lines);
    structs(&mut lines);
    words::fields(&mut lines);
    options(&mut lines);
    words::words(&mut lines);
    lines.push(String::new());
    lines.join("\n")
}

#[test]
fn x1_the_schema_is_what_the_core_has() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios/schema.txt");
    let now = schema();
    if std::env::var_os("PEERGRAPH_WRITE_SCHEMA").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let stale: Vec<_> = now
        .lines()
        .filter(|line| !written.lines().any(|old| old == *line))
        .map(|line| format!("+ {line}"))
        .chain(
            written
                .lines()
                .filter(|line| !now.lines().any(|new| new == *line))
                .map(|line| format!("- {line}")),
        )
        .collect();
    assert_eq!(stale, Vec::<String>::new(), "stale: PEERGRAPH_WRITE_SCHEMA=1 writes it anew");
    assert_eq!(written, now, "in another order: PEERGRAPH_WRITE_SCHEMA=1 writes it anew");
}

#[test]
fn the_words_of_the_interface_are_in_it() {
    let schema = schema();
    for kind in EventKind::ALL {
        assert!(schema.contains(&format!("value EventKind {}\n", kind.show())), "{kind:?}");
        assert!(schema.contains(&format!("event {}\n", kind.show())), "{kind:?}");
    }
    for word in
        ["method Graph publish async draft", "method Node shutdown async", "type Group", "event lagged"]
    {
        assert!(schema.lines().any(|line| line == word), "{word}");
    }
}
