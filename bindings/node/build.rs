//! Leaves the symbols of Node to be found when the module is loaded.

fn main() {
    napi_build::setup();
}
