//! The generator, in a crate of its own so that nothing of it gets into the library.

fn main() {
    uniffi::uniffi_bindgen_main();
}
