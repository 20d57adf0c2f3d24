//! Who can read which layer: the server against a slow and obvious model, whatever is done by two accounts to several
//! repositories, through ECR's API, `/v2/` and the operations of Wharf's own.
//!
//! `WHARF_TEST_VISIBILITY_SEQUENCES` says how many sequences of steps are tried, and `WHARF_TEST_SEED` repeats some:
//! `tests/run --thorough` tries 20,000, and plants leaks (`tests/planted_leaks`) that must be found.

mod model;
mod steps;
mod upstream;
mod wire;
mod world;

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;
use tokio::runtime::Runtime;

use model::{BLOBS, Model, Principal, RepositoryKey};
use steps::Step;
use world::{Contents, World, members};

/// So many take some seconds.
const SEQUENCES: usize = 60;
/// A database is used for so many.
const SEQUENCES_PER_WORLD: usize = 250;
const STEPS: std::ops::Range<usize> = 4..16;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// Who can read a layer of a repository by `/v2/`.
async fn check(
    world: &mut World,
    contents: &Contents,
    model: &mut Model,
    who: Principal,
    place: RepositoryKey,
    blob: usize,
) -> Result<(), String> {
    let (digest, content) = &contents.blobs[blob];
    let path = format!("{}/blobs/{digest}", contents.name(place.kind));
    let reply = world.v2(who, place.account, Method::GET, path, b"").await;
    let may = model.may_read(who, place);
    let should = may && model.pull_blob(place, blob);
    let is_so = match (should, may) {
        (true, _) => reply.status == 200 && reply.body == content,
        (false, true) => reply.status != 200,
        // Nobody learns from the refusal what is there.
        (false, false) => reply.status == 403,
    };
    if is_so {
        return Ok(());
    }
    let reads = if should { "should read" } else { "should not read" };
    Err(format!("{who:?} {reads} layer {blob} in {place:?}, and is answered {} {:?}", reply.status, reply.body))
}

/// The same by the API, as far as it tells the same.
async fn check_by_api(
    world: &mut World,
    contents: &Contents,
    model: &mut Model,
    who: Principal,
    place: RepositoryKey,
    blob: usize,
) -> Result<(), String> {
    let (digest, content) = &contents.blobs[blob];
    let mut input = members(contents, place);
    input["layerDigests"] = json!([digest]);
    let may = model.may_read(who, place);
    let known = world.call(who, "BatchCheckLayerAvailability", input.clone()).await;
    let is_available = known.is_ok_and(|answer| answer["layers"][0]["layerAvailability"] == "AVAILABLE");
    if is_available != (may && (model.is_readable(place, blob) || model.is_awaited(place, blob))) {
        return Err(format!("{who:?} is told {is_available} of layer {blob} in {place:?}"));
    }
    input["layerDigest"] = json!(digest);
    let url = world.call(who, "GetDownloadUrlForLayer", input).await;
    let should = may && model.pull_blob(place, blob) && model.is_named(place, blob);
    let path = url.ok().and_then(|answer| {
        let url = answer["downloadUrl"].as_str()?;
        Some(url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default())
    });
    if path.is_some() != should {
        return Err(format!("{who:?} gets {path:?} for layer {blob} in {place:?}, and should: {should}"));
    }
    let Some(path) = path else { return Ok(()) };
    let reply = world.open(Method::GET, path, b"").await;
    if reply.status == 200 && reply.body == content {
        Ok(())
    } else {
        Err(format!("the URL for layer {blob} in {place:?} answers {}", reply.status))
    }
}

async fn run(world: &mut World, sequence: &str, upstream: [bool; BLOBS], steps: &[Step]) -> Result<(), String> {
    let contents = Contents::new(sequence);
    world.upstream.hold(contents.upstream(upstream));
    for account in 0..2 {
        world.set_mounting(account, true).await;
    }
    let mut model = Model::new(world.test.app.now_ms(), world.mounting, upstream);
    for step in steps::beginning() {
        step.run(world, &contents, &mut model).await.map_err(|error| format!("beginning: {step:?}: {error}"))?;
    }
    for (at, step) in steps.iter().enumerate() {
        let failed = |error: String| format!("step {at}: {step:?}: {error}");
        step.run(world, &contents, &mut model).await.map_err(failed)?;
        let (place, who) = (step.place(), Principal::ALL[at % Principal::ALL.len()]);
        for blob in 0..BLOBS {
            let owner = Principal::Root(place.account);
            check(world, &contents, &mut model, owner, place, blob).await.map_err(failed)?;
        }
        check(world, &contents, &mut model, who, place, at % BLOBS).await.map_err(failed)?;
        let place = RepositoryKey::ALL[at % RepositoryKey::ALL.len()];
        check_by_api(world, &contents, &mut model, who, place, at % BLOBS).await.map_err(failed)?;
    }
    for place in RepositoryKey::ALL {
        for blob in 0..BLOBS {
            for who in Principal::ALL {
                // One layer tells what those may who may not.
                if blob == 0 || model.may_read(who, place) {
                    let checked = check(world, &contents, &mut model, who, place, blob).await;
                    checked.map_err(|error| format!("at the end: {error}"))?;
                }
            }
        }
    }
    Ok(())
}

/// What became of one sequence: the shortest one that fails where it fails, and why.
fn try_sequence(runtime: &Runtime, world: &Cell<Option<World>>, seed: u64, number: usize) -> Result<(), String> {
    // Of the seed and the number alone, whoever comes to try it.
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes[8..16].copy_from_slice(&(number as u64).to_be_bytes());
    let config = Config { cases: 1, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let tries = Cell::new(0);
    let sequence = (any::<[bool; BLOBS]>(), proptest::collection::vec(steps::step(), STEPS));
    let result = runner.run(&sequence, |(upstream, steps)| {
        let ran = runtime.block_on(async {
            let mut current = match world.take().filter(|world| world.sequences < SEQUENCES_PER_WORLD) {
                Some(current) => current,
                None => World::new().await,
            };
            current.sequences += 1;
            // Each try to shorten it has repositories of its own.
            let name = format!("{number}-{}", tries.replace(tries.get() + 1));
            let ran = run(&mut current, &name, upstream, &steps).await;
            world.set(Some(current));
            ran
        });
        ran.map_err(TestCaseError::fail)
    });
    result.map_err(|error| error.to_string())
}

/// Tries sequences until all are tried or one has failed, which is what comes back with its number.
fn try_sequences(seed: u64, sequences: usize, next: &AtomicUsize) -> Result<(), (usize, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let world = Cell::new(None);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= sequences {
            return Ok(());
        }
        if let Err(error) = try_sequence(&runtime, &world, seed, number) {
            next.store(sequences, Ordering::Relaxed);
            return Err((number, error));
        }
    }
}

#[test]
fn whoever_reads_a_layer_was_given_it_there() {
    let sequences = number("WHARF_TEST_VISIBILITY_SEQUENCES").map_or(SEQUENCES, |number| number as usize);
    let seed = number("WHARF_TEST_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    eprintln!("WHARF_TEST_SEED={seed}");
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = processors.min(sequences.div_ceil(SEQUENCES_PER_WORLD));
    let next = AtomicUsize::new(0);
    let failed = std::thread::scope(|scope| {
        let tried: Vec<_> = (0..threads).map(|_| scope.spawn(|| try_sequences(seed, sequences, &next))).collect();
        tried.into_iter().filter_map(|thread| thread.join().expect("no panic").err()).min()
    });
    if let Some((number, error)) = failed {
        panic!("sequence {} of WHARF_TEST_SEED={seed} disagrees with the model: {error}", number + 1);
    }
}
