//! Connects that try several nodes, without links.

use super::*;
use crate::{
    crypto::SecretKey, graph::OverlayConfig, ids::GraphId, io::Output, record::DeviceCertificate,
    time::Timestamp,
};

fn at(seconds: u64) -> Now {
    let mono = Mono(0) + Duration::from_secs(seconds);
    Now { mono, wall: Timestamp(1_000_000 + 1000 * seconds) }
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32])
}

fn overlay() -> Overlay {
    let device = DeviceCertificate::issue(&key(1), key(2).node());
    Overlay::new(OverlayConfig::default(), GraphId::from_bytes([9; 32]), device, None, 7)
}

/// What was dialled and what was given up since the last look.
fn dials(overlay: &mut Overlay) -> (Vec<DialId>, Vec<DialId>) {
    let (mut begun, mut ended) = (Vec::new(), Vec::new());
    while let Some(output) = overlay.poll_output() {
        match output {
            Output::Dial { dial, .. } => begun.push(dial),
            Output::CancelDial(dial) => ended.push(dial),
            _ => {}
        }
    }
    (begun, ended)
}

fn outcomes(overlay: &mut Overlay) -> Vec<ConnectFailure> {
    let events = std::iter::from_fn(|| overlay.poll_event());
    let failed = events.filter_map(|event| match event {
        OverlayEvent::ConnectFinished { result, .. } => result.err(),
        _ => None,
    });
    failed.collect()
}

#[test]
fn silent_nodes_hold_up_the_others_for_a_second_each() {
    let mut overlay = overlay();
    let targets = (10..16).map(|number| NodeAddr::new(key(number).node())).collect();
    let connect = overlay.connect(at(0), targets, ConnectOptions::default());
    let mut running = dials(&mut overlay).0;
    assert_eq!(running.len(), 1, "the first has a head start");
    for second in 1..=3 {
        assert!(overlay.poll_timeout().is_some_and(|due| due <= at(second).mono));
        overlay.handle_timeout(at(second));
        let (begun, ended) = dials(&mut overlay);
        assert_eq!((begun.len(), ended.len()), (1, 0));
        running.extend(begun);
    }
    overlay.handle_timeout(at(5));
    assert_eq!(dials(&mut overlay).0, [], "four at once");
    // One that says no makes place at once.
    overlay.dial_failed(at(5), running.remove(1), FailureReason::Unreachable);
    running.extend(dials(&mut overlay).0);
    assert_eq!(running.len(), 4);
    overlay.cancel_connect(at(6), connect);
    let mut ended = dials(&mut overlay).1;
    ended.sort_unstable();
    assert_eq!(ended, running, "none is left over");
    assert_eq!(outcomes(&mut overlay), [ConnectFailure::Cancelled]);
}

#[test]
fn the_last_of_all_that_fail_ends_it_once() {
    let mut overlay = overlay();
    let targets = (10..13).map(|number| NodeAddr::new(key(number).node())).collect();
    overlay.connect(at(0), targets, ConnectOptions::default());
    overlay.handle_timeout(at(1));
    let mut running = dials(&mut overlay).0;
    while let Some(dial) = running.pop() {
        assert_eq!(outcomes(&mut overlay), []);
        overlay.dial_failed(at(2), dial, FailureReason::Unreachable);
        running.extend(dials(&mut overlay).0);
    }
    assert_eq!(outcomes(&mut overlay), [ConnectFailure::Unreachable]);
}

#[test]
fn b1_a_busy_node_is_asked_again_until_the_deadline_which_says_so() {
    let mut overlay = overlay();
    let options = ConnectOptions { purpose: Purpose::Join, ..ConnectOptions::default() };
    overlay.connect(at(0), vec![NodeAddr::new(key(10).node())], options);
    let mut dialled = 0;
    for second in 0..CONNECT_TIMEOUT.as_secs() {
        overlay.handle_timeout(at(second));
        for dial in dials(&mut overlay).0 {
            dialled += 1;
            overlay.dial_failed(at(second), dial, FailureReason::Busy);
        }
        assert_eq!(outcomes(&mut overlay), [], "{second} s");
    }
    overlay.handle_timeout(at(CONNECT_TIMEOUT.as_secs()));
    assert_eq!(outcomes(&mut overlay), [ConnectFailure::Busy]);
    // Every one to three seconds, in the end.
    assert!((15..50).contains(&dialled), "{dialled} dials");
}
