//! How a secret would look where it must not be.

use peergraph::{
    Invitation,
    group::{Access, Way},
};

use data_encoding::{BASE32_NOPAD, BASE64, BASE64_NOPAD, HEXLOWER};

/// A secret's bytes in every usual spelling as text: hexadecimal digits, base32, base64, and as `Debug` shows bytes.
/// Of the last three only what does not depend on what surrounds it.
pub fn spellings(secret: &[u8]) -> Vec<String> {
    let hex = HEXLOWER.encode(secret);
    let base32 = BASE32_NOPAD.encode(secret);
    let listed: Vec<String> = secret.iter().map(ToString::to_string).collect();
    let listed_hex: Vec<String> = secret.iter().map(|byte| format!("{byte:#04x}")).collect();
    vec![
        hex.to_uppercase(),
        hex,
        base32.to_lowercase(),
        base32,
        BASE64.encode(secret),
        BASE64_NOPAD.encode(secret),
        listed.join(", "),
        listed.join(","),
        listed_hex.join(", "),
        secret.escape_ascii().to_string(),
    ]
}

/// How to reach the group of an invitation by link or password.
///
/// # Panics
/// If it is for one identity.
pub fn access_of(invitation: &Invitation) -> &Access {
    invitation.access().expect("anybody may read it")
}

/// The same, to be changed; sign it again.
///
/// # Panics
/// If it is for one identity.
pub fn access_mut(invitation: &mut Invitation) -> &mut Access {
    match &mut invitation.way {
        Way::Link { access, .. } | Way::Password { access } => access,
        Way::Identity { .. } => panic!("it is sealed"),
    }
}
