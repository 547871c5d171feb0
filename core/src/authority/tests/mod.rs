//! Tests of authority: the definition, written down a second time and plainly; a model checker that holds the verdict to
//! it; permutations; the hard cases by name.

mod bounds;
mod checker;
mod cost;
mod deeds;
mod definition;
mod flaw;
mod hard_cases;
mod heads;
mod holes;
mod permutations;
mod records;
mod scene;
mod settled;
mod statements;
mod story;
mod update;
mod world;
