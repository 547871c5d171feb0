//! An invitation as it travels: text, or a code to be scanned.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    crypto::{self, Domain, SecretKey, SignatureBytes, signature_serde},
    ids::{GraphId, PeerId},
    limits::{MAX_NAME, MAX_REFERRALS, MAX_SHOWN},
    record::{
        Genesis, GraphSecret, NodeAddr, Role,
        text::{TextError, TextForm, is_of_kind},
    },
    time::Timestamp,
    wire::decode_exact,
};

/// How to find a group's nodes and be heard by them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Access {
    /// What proves to its nodes that one was invited.
    pub secret: GraphSecret,
    /// Nodes to connect to, tried in turn.
    pub nodes: Vec<NodeAddr>,
}

/// A membership that was granted already, and the way there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Admission {
    /// How to reach the group.
    pub access: Access,
    /// What the group is.
    pub genesis: Genesis,
    /// The grants from the creator's down to the subject's, as signed records.
    pub chain: Vec<Bytes>,
}

/// How an invitation lets in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// A membership for one identity: nobody else can open it (see [`Invitation::open`]).
    Identity {
        /// For whom.
        subject: PeerId,
        /// An [`Admission`], encrypted to the subject.
        sealed: Bytes,
    },
    /// For whoever has it, so many times.
    Link {
        /// The secret key.
        key: [u8; 32],
        /// How many may come by it.
        uses: u32,
        /// How to reach the group.
        access: Access,
    },
    /// For whoever knows the password, which is told another way.
    Password {
        /// How to reach the group.
        access: Access,
    },
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity { subject, .. } => write!(f, "Identity({})", subject.short()),
            Self::Link { uses, .. } => write!(f, "Link({uses} uses)"),
            Self::Password { .. } => f.write_str("Password"),
        }
    }
}

/// The way into a group, and all there is to know before one takes it. Text: `peergraph-invitation:` and base32.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[doc(alias = "PEER_INVITATION_INFO")]
pub struct Invitation {
    /// The group.
    pub group: GraphId,
    /// What the group is called.
    pub group_name: String,
    /// Who invites.
    pub issuer: PeerId,
    /// What they are called.
    pub issuer_name: String,
    /// What one becomes.
    pub role: Role,
    /// From when on it can be used, in peer time.
    pub not_before: Timestamp,
    /// Until when; `None`: without end.
    pub not_after: Option<Timestamp>,
    /// How.
    pub way: Way,
    #[serde(with = "signature_serde")]
    signature: SignatureBytes,
}

/// The text is not an invitation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// It does not begin with `peergraph-invitation:`.
    #[error("an invitation begins with \"peergraph-invitation:\"")]
    Prefix,
    /// It is a ticket.
    #[error(
        "this is a ticket of a graph, not an invitation to a group: join it as a graph, or ask for an invitation"
    )]
    Ticket,
    /// It is the description of an identity.
    #[error(
        "this is an identity description; give it to a member who may invite, and use the invitation that they return"
    )]
    Description,
    /// It has characters that base32 does not have.
    #[error("the invitation contains an invalid character; copy all of it again")]
    Encoding,
    /// The check sum is wrong: cut off or mistyped.
    #[error("the invitation is incomplete or was changed; copy all of it again")]
    Checksum,
    /// It was made by a later version.
    #[error("the invitation has version {0}, which this version of the library does not support")]
    Version(u8),
    /// It has the right check sum but not the right form.
    #[error("this is not a valid invitation")]
    Malformed,
    /// There are several invitations in it.
    #[error("the text contains more than one invitation; give exactly one")]
    Several,
    /// It is not as its issuer signed it.
    #[error("the invitation was changed after its issuer signed it")]
    Altered,
    /// It is for one identity, and this is another.
    #[error("the invitation is for another identity")]
    NotForYou,
}

/// More than the longest chain takes, by far.
const MAX_SEALED: usize = 64 * 1024;

const FORM: TextForm =
    TextForm { prefix: "peergraph-invitation:", version: 1, context: "peergraph v1 invitation checksum" };

impl Admission {
    /// Encrypts it to one identity, for an invitation to a group. `seed`: 32 fresh random bytes. `None` if the identity
    /// is no key.
    pub fn seal(&self, group: &GraphId, subject: PeerId, seed: [u8; 32]) -> Option<Way> {
        let plain = Zeroizing::new(postcard::to_stdvec(self).expect("an admission always encodes"));
        let sealed = crypto::seal_to(&subject, seed, group.as_bytes(), &plain)?.into();
        Some(Way::Identity { subject, sealed })
    }
}

impl Invitation {
    /// Signs an invitation; `self.issuer` is set here.
    #[must_use]
    pub fn signed(mut self, issuer: &SecretKey) -> Self {
        self.issuer = issuer.peer();
        self.signature = issuer.sign(Domain::Invitation, self.group.as_bytes(), &self.content());
        self
    }

    /// An invitation that is not signed yet.
    pub fn unsigned(
        group: GraphId,
        group_name: String,
        (issuer, issuer_name): (PeerId, String),
        role: Role,
        (not_before, not_after): (Timestamp, Option<Timestamp>),
        way: Way,
    ) -> Self {
        let signature = [0; 64];
        Self { group, group_name, issuer, issuer_name, role, not_before, not_after, way, signature }
    }

    /// The admission of an invitation for one identity, with that identity's key.
    ///
    /// # Errors
    /// [`InvitationError::NotForYou`] if it is for another identity, or for none; [`InvitationError::Altered`] if what
    /// is in it is not what the invitation says.
    pub fn open(&self, key: &SecretKey) -> Result<Admission, InvitationError> {
        let Way::Identity { subject, sealed } = &self.way else { return Err(InvitationError::NotForYou) };
        if *subject != key.peer() {
            return Err(InvitationError::NotForYou);
        }
        let opened = crypto::open_from(key, self.group.as_bytes(), sealed).ok_or(InvitationError::Altered)?;
        let admission: Admission = decode_exact(&opened).map_err(|_| InvitationError::Altered)?;
        let bounded = admission.access.nodes.len() <= MAX_REFERRALS
            && admission.chain.len() <= MAX_SHOWN
            && admission.genesis.id() == self.group;
        if bounded { Ok(admission) } else { Err(InvitationError::Altered) }
    }

    /// How to reach the group; `None` if only the one who is invited can tell, by [`open`](Self::open).
    pub const fn access(&self) -> Option<&Access> {
        match &self.way {
            Way::Identity { .. } => None,
            Way::Link { access, .. } | Way::Password { access } => Some(access),
        }
    }

    /// Nodes by which the group is reached, tried in turn; none if only the one who is invited can tell.
    pub fn nodes(&self) -> &[NodeAddr] {
        self.access().map_or(&[], |access| &access.nodes)
    }

    /// How many may come by it, if it is a link.
    pub const fn uses(&self) -> Option<u32> {
        match &self.way {
            Way::Link { uses, .. } => Some(*uses),
            Way::Identity { .. } | Way::Password { .. } => None,
        }
    }

    /// For whom, if it is for one identity.
    pub const fn subject(&self) -> Option<PeerId> {
        match &self.way {
            Way::Identity { subject, .. } => Some(*subject),
            Way::Link { .. } | Way::Password { .. } => None,
        }
    }

    /// Everything but the signature.
    fn content(&self) -> Vec<u8> {
        let unsigned = Self { signature: [0; 64], ..self.clone() };
        postcard::to_stdvec(&unsigned).expect("an invitation always encodes")
    }

    fn check(&self) -> Result<(), InvitationError> {
        let bounded = match &self.way {
            Way::Identity { sealed, .. } => sealed.len() <= MAX_SEALED,
            Way::Link { access, .. } | Way::Password { access } => access.nodes.len() <= MAX_REFERRALS,
        };
        let short = |name: &str| name.len() <= MAX_NAME;
        if !bounded || !short(&self.group_name) || !short(&self.issuer_name) {
            return Err(InvitationError::Malformed);
        }
        let context = self.group.as_bytes();
        let good = crypto::verify(
            self.issuer.as_bytes(),
            Domain::Invitation,
            context,
            &self.content(),
            &self.signature,
        );
        if good { Ok(()) } else { Err(InvitationError::Altered) }
    }
}

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&FORM.encode(&postcard::to_stdvec(self).expect("an invitation always encodes")))
    }
}

impl FromStr for Invitation {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let content = FORM.decode(text).map_err(|error| match error {
            TextError::Prefix if is_of_kind(text, "peergraph:") => InvitationError::Ticket,
            TextError::Prefix if is_of_kind(text, "peergraph-identity:") => InvitationError::Description,
            error => error.into(),
        })?;
        let invitation: Self = decode_exact(&content).map_err(|_| InvitationError::Malformed)?;
        invitation.check()?;
        Ok(invitation)
    }
}

impl From<TextError> for InvitationError {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Prefix => Self::Prefix,
            TextError::Encoding => Self::Encoding,
            TextError::Checksum => Self::Checksum,
            TextError::Version(version) => Self::Version(version),
            TextError::Malformed => Self::Malformed,
            TextError::Several => Self::Several,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        let node = NodeAddr::at(SecretKey::from_bytes(&[1; 32]).node(), ["127.0.0.1:4000".parse().unwrap()]);
        Access { secret: GraphSecret::from_bytes([0x5a; 32]), nodes: vec![node] }
    }

    fn sample_of(group: GraphId, way: Way) -> Invitation {
        let issuer = SecretKey::from_bytes(&[1; 32]);
        let who = (issuer.peer(), "Ada".into());
        let valid = (Timestamp(1000), Some(Timestamp(9000)));
        Invitation::unsigned(group, "Book club".into(), who, Role::Member, valid, way).signed(&issuer)
    }

    fn sample() -> Invitation {
        sample_of(GraphId::from_bytes([2; 32]), Way::Link { key: [7; 32], uses: 2, access: access() })
    }

    #[test]
    fn m3_an_identitys_admission_is_opened_by_nobody_else() {
        let (ada, ben) = (SecretKey::from_bytes(&[1; 32]), SecretKey::from_bytes(&[3; 32]));
        let genesis = Genesis::new(ada.peer(), [4; 16]);
        let admission = Admission { access: access(), genesis: genesis.clone(), chain: vec![] };
        let invitation = sample_of(genesis.id(), admission.seal(&genesis.id(), ben.peer(), [9; 32]).unwrap());
        let read: Invitation = invitation.to_string().parse().unwrap();
        assert_eq!(read.open(&ben), Ok(admission.clone()));
        assert_eq!(read.open(&ada), Err(InvitationError::NotForYou));
        assert_eq!(sample().open(&ben), Err(InvitationError::NotForYou));
        let bytes = postcard::to_stdvec(&invitation).unwrap();
        assert!(!bytes.windows(32).any(|part| part == [0x5a; 32]), "the secret is not to be seen");
        // Taken over into an invitation to another group by another issuer.
        let elsewhere = sample_of(GraphId::from_bytes([2; 32]), read.way);
        assert_eq!(elsewhere.open(&ben), Err(InvitationError::Altered));
        // An admission to another group than the invitation says.
        let other = Admission { genesis: Genesis::new(ada.peer(), [5; 16]), ..admission };
        let wrong = sample_of(genesis.id(), other.seal(&genesis.id(), ben.peer(), [9; 32]).unwrap());
        assert_eq!(wrong.open(&ben), Err(InvitationError::Altered));
    }

    #[test]
    fn m3_an_invitation_decodes_to_all_its_fields() {
        let text = sample().to_string();
        let read: Invitation = text.parse().unwrap();
        assert_eq!(read, sample());
        assert_eq!((read.group_name.as_str(), read.issuer_name.as_str()), ("Book club", "Ada"));
        assert_eq!((read.role, read.not_after), (Role::Member, Some(Timestamp(9000))));
        assert_eq!(text.to_uppercase().parse(), Ok(sample()), "as a scanned code gives it");
        let shown = format!("{:?}", sample());
        assert!(!shown.contains("7, 7") && !shown.contains("90, 90"), "{shown}");
        assert!(text.len() < 520, "{} characters", text.len());
    }

    #[test]
    fn m4_an_altered_invitation_is_told_from_a_mistyped_one() {
        let text = sample().to_string();
        let parse = |text: &str| text.parse::<Invitation>().unwrap_err();
        assert_eq!(parse("https://x"), InvitationError::Prefix);
        assert_eq!(parse("peergraph:aaaa"), InvitationError::Ticket);
        assert_eq!(parse("peergraph-identity:aaaa"), InvitationError::Description);
        assert_eq!(parse("peergraph-invitation:a!b"), InvitationError::Encoding);
        for cut in FORM.prefix.len()..text.len() {
            assert_eq!(parse(&text[..cut]), InvitationError::Checksum, "cut at {cut}");
        }
        let altered = |change: fn(&mut Invitation)| {
            let mut invitation = sample();
            change(&mut invitation);
            parse(&invitation.to_string())
        };
        assert_eq!(altered(|i| i.role = Role::Owner), InvitationError::Altered);
        assert_eq!(altered(|i| i.not_after = None), InvitationError::Altered);
        assert_eq!(altered(|i| i.group = GraphId::from_bytes([3; 32])), InvitationError::Altered);
        assert_eq!(altered(|i| i.way = Way::Password { access: access() }), InvitationError::Altered);
        let nodes = |i: &mut Invitation| match &mut i.way {
            Way::Link { access, .. } => access.nodes.clear(),
            _ => unreachable!(),
        };
        assert_eq!(altered(nodes), InvitationError::Altered);
    }
}
