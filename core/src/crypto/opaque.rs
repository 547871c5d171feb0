//! Proving to know a password without showing it: OPAQUE (RFC 9807) over ristretto255 with Argon2id.
//!
//! Whoever holds a [`PasswordVerifier`] can try passwords on it, at the cost of one Argon2id each; whoever only talks to
//! its holder can try one in each exchange. The context binds a proof to one connection: a proof passed on by somebody
//! in the middle fails.

use std::fmt;

use opaque_ke::{
    CipherSuite, ClientLogin, ClientLoginFinishParameters, ClientRegistration,
    ClientRegistrationFinishParameters, CredentialFinalization, CredentialRequest, CredentialResponse,
    Identifiers, RegistrationRequest, RegistrationResponse, RegistrationUpload, Ristretto255, ServerLogin,
    ServerLoginParameters, ServerRegistration, ServerSetup, TripleDh,
    errors::InternalError,
    generic_array::{ArrayLength, GenericArray},
    ksf::Ksf,
};
use rand_chacha_03::{ChaCha20Rng, rand_core::SeedableRng};
use zeroize::Zeroizing;

use super::{PasswordCost, password_key};

struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, sha2_010::Sha512>;
    type Ksf = Stretch;
}

/// Argon2id with the parameters of [`PasswordCost::default`]. The salt is in the input already, by the blinded
/// evaluation under the verifier's key.
#[derive(Default)]
struct Stretch;

impl Ksf for Stretch {
    fn hash<L: ArrayLength<u8>>(
        &self,
        input: GenericArray<u8, L>,
    ) -> Result<GenericArray<u8, L>, InternalError> {
        let key = password_key(&input, &[0; super::SALT_LEN], PasswordCost::default())
            .map_err(|_| InternalError::KsfError)?;
        let mut stretched = GenericArray::<u8, L>::default();
        blake3::Hasher::new_derive_key("peergraph v1 password stretch")
            .update(&*key)
            .finalize_xof()
            .fill(&mut stretched);
        Ok(stretched)
    }
}

/// A password proof came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Another password, or another connection.
    #[error("the password is wrong")]
    Wrong,
    /// The bytes are no message of the exchange.
    #[error("the password proof is malformed")]
    Malformed,
}

/// What checks a password: kept by those who let others in, and by nobody else.
pub struct PasswordVerifier {
    setup: ServerSetup<Suite>,
    file: ServerRegistration<Suite>,
}

/// The joiner's side, half way.
pub struct PasswordProof {
    login: ClientLogin<Suite>,
    password: Zeroizing<String>,
}

/// The admitter's side, half way.
pub struct PendingProof(ServerLogin<Suite>);

impl fmt::Debug for PasswordVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordVerifier(..)")
    }
}

impl fmt::Debug for PasswordProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordProof(..)")
    }
}

impl fmt::Debug for PendingProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PendingProof(..)")
    }
}

/// One verifier serves one password, so there is one user.
const USER: &[u8] = b"group";

impl PasswordVerifier {
    /// Makes the verifier of a password: both sides of a registration at once. `seed`: 32 fresh random bytes.
    ///
    /// # Panics
    /// Never: messages of our own making fit.
    pub fn new(password: &str, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let setup = ServerSetup::<Suite>::new(&mut rng);
        let password = password.as_bytes();
        let client = ClientRegistration::<Suite>::start(&mut rng, password).expect("a password fits");
        let request = RegistrationRequest::deserialize(&client.message.serialize()).expect("our own message");
        let answer = ServerRegistration::<Suite>::start(&setup, request, USER).expect("our own message");
        let answer = RegistrationResponse::deserialize(&answer.message.serialize()).expect("our own message");
        let done = client
            .state
            .finish(&mut rng, password, answer, ClientRegistrationFinishParameters::default())
            .expect("our own answer");
        let upload = RegistrationUpload::deserialize(&done.message.serialize()).expect("our own message");
        Self { setup, file: ServerRegistration::finish(upload) }
    }

    /// The byte form: as secret as the verifier.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([&self.setup.serialize()[..], &self.file.serialize()[..]].concat())
    }

    /// Reads the byte form.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (setup, file) = bytes.split_at_checked(SETUP_LEN)?;
        let setup = ServerSetup::deserialize(setup).ok()?;
        Some(Self { setup, file: ServerRegistration::deserialize(file).ok()? })
    }

    /// Answers a joiner. `seed`: 32 fresh random bytes.
    ///
    /// # Errors
    /// [`PasswordError::Malformed`].
    pub fn respond(
        &self,
        request: &[u8],
        context: &[u8],
        seed: [u8; 32],
    ) -> Result<(PendingProof, Vec<u8>), PasswordError> {
        let request = CredentialRequest::deserialize(request).map_err(|_| PasswordError::Malformed)?;
        let mut rng = ChaCha20Rng::from_seed(seed);
        let file = Some(self.file.clone());
        let started = ServerLogin::start(&mut rng, &self.setup, file, request, USER, terms(context))
            .map_err(|_| PasswordError::Malformed)?;
        Ok((PendingProof(started.state), started.message.serialize().to_vec()))
    }
}

impl PendingProof {
    /// Checks the joiner's last word.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn finish(self, proof: &[u8], context: &[u8]) -> Result<(), PasswordError> {
        let proof = CredentialFinalization::deserialize(proof).map_err(|_| PasswordError::Malformed)?;
        self.0.finish(proof, terms(context)).map(drop).map_err(|_| PasswordError::Wrong)
    }
}

impl PasswordProof {
    /// Begins to prove; gives the first message. `seed`: 32 fresh random bytes.
    ///
    /// # Panics
    /// Never: a password fits.
    pub fn start(password: Zeroizing<String>, seed: [u8; 32]) -> (Self, Vec<u8>) {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let started = ClientLogin::<Suite>::start(&mut rng, password.as_bytes()).expect("a password fits");
        let message = started.message.serialize().to_vec();
        (Self { login: started.state, password }, message)
    }

    /// Takes the admitter's answer; gives the last message. Costs one Argon2id. `seed`: 32 fresh random bytes.
    ///
    /// # Errors
    /// [`PasswordError`]: the password is wrong, or the answer is for another connection.
    pub fn finish(self, answer: &[u8], context: &[u8], seed: [u8; 32]) -> Result<Vec<u8>, PasswordError> {
        let answer = CredentialResponse::deserialize(answer).map_err(|_| PasswordError::Malformed)?;
        let mut rng = ChaCha20Rng::from_seed(seed);
        let terms = ClientLoginFinishParameters::new(Some(context), Identifiers::default(), None);
        let done = self.login.finish(&mut rng, self.password.as_bytes(), answer, terms);
        Ok(done.map_err(|_| PasswordError::Wrong)?.message.serialize().to_vec())
    }
}

/// Seed, fake key and static key of a verifier.
const SETUP_LEN: usize = 128;

fn terms(context: &[u8]) -> ServerLoginParameters<'_, '_> {
    ServerLoginParameters { context: Some(context), identifiers: Identifiers::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prove(
        verifier: &PasswordVerifier,
        password: &str,
        theirs: &[u8],
        ours: &[u8],
    ) -> Result<(), PasswordError> {
        let (proof, request) = PasswordProof::start(Zeroizing::new(password.into()), [4; 32]);
        let (pending, answer) = verifier.respond(&request, theirs, [5; 32])?;
        pending.finish(&proof.finish(&answer, ours, [6; 32])?, theirs)
    }

    #[test]
    fn s2_a_password_is_proven_on_one_connection_only() {
        let verifier = PasswordVerifier::new("correct horse battery", [1; 32]);
        let again = PasswordVerifier::from_bytes(&verifier.to_bytes()).unwrap();
        assert_eq!(prove(&again, "correct horse battery", b"link", b"link"), Ok(()));
        assert_eq!(prove(&verifier, "correct horse", b"link", b"link"), Err(PasswordError::Wrong));
        // Somebody in the middle has a connection of its own with each side.
        assert_eq!(prove(&verifier, "correct horse battery", b"link", b"other"), Err(PasswordError::Wrong));
        let other = PasswordVerifier::new("correct horse battery", [2; 32]);
        assert_ne!(other.to_bytes(), verifier.to_bytes(), "one password, two verifiers");
    }

    #[test]
    fn s26_nothing_that_is_sent_or_kept_holds_the_password() {
        let (password, context) = ("correct horse battery", b"link");
        let verifier = PasswordVerifier::new(password, [1; 32]);
        let (proof, request) = PasswordProof::start(Zeroizing::new(password.into()), [4; 32]);
        let (_, answer) = verifier.respond(&request, context, [5; 32]).unwrap();
        let last = proof.finish(&answer, context, [6; 32]).unwrap();
        for bytes in [&verifier.to_bytes()[..], &request, &answer, &last] {
            assert!(
                !bytes.windows(8).any(|window| password.as_bytes().windows(8).any(|part| part == window))
            );
        }
        assert!(!format!("{verifier:?}").contains("horse"));
    }

    #[test]
    fn malformed_messages_are_refused() {
        let verifier = PasswordVerifier::new("correct horse battery", [1; 32]);
        let (_, request) = PasswordProof::start(Zeroizing::new("x".into()), [4; 32]);
        for at in 0..request.len() {
            assert!(verifier.respond(&request[..at], b"", [5; 32]).is_err(), "cut at {at}");
        }
        let (_, answer) = verifier.respond(&request, b"", [5; 32]).unwrap();
        for at in (0..answer.len()).step_by(16) {
            let (proof, _) = PasswordProof::start(Zeroizing::new("x".into()), [4; 32]);
            assert_eq!(proof.finish(&answer[..at], b"", [6; 32]), Err(PasswordError::Malformed));
        }
        let bytes = verifier.to_bytes();
        for at in [0, 1, SETUP_LEN, bytes.len() - 1] {
            assert!(PasswordVerifier::from_bytes(&bytes[..at]).is_none());
        }
        let (pending, _) = verifier.respond(&request, b"", [5; 32]).unwrap();
        assert_eq!(pending.finish(b"no", b""), Err(PasswordError::Malformed));
    }
}
