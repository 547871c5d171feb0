//! Tests of authority: the definition, written down a second time and plainly; a model checker that holds the verdict to
//! it; permutations; the hard cases by name.

mod attacks;
mod attacks_on_grants;
mod bounds;
mod checker;
mod cost;
mod deeds;
mod definition;
mod definition_order;
mod definition_records;
mod definition_settled;
mod definition_standing;
mod definition_uses;
mod effects;
mod flaw;
mod fourth_attack;
mod hard_cases;
mod heads;
mod holes;
mod idle;
mod idle_offers;
mod leaves;
mod links;
mod permutations;
mod records;
mod scene;
mod schemes;
mod second_attack;
mod settled;
mod statements;
mod story;
mod third_attack;
mod update;
pub(super) mod world;
