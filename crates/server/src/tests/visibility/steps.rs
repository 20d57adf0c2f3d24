//! What may happen, to the server and to the model alike.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use proptest::prelude::*;
use registry::images::collect_garbage;
use serde_json::{Value, json};

use super::super::lifecycle::DAY_MS;
use super::model::{BLOBS, IMAGES, Kind, Model, Principal, Put, RepositoryKey};
use super::world::{Contents, MANIFEST, World, account_id, location, members};

/// How bytes come.
#[derive(Clone, Copy, Debug)]
pub enum UploadMethod {
    Whole,
    Chunks,
    Api,
}

#[derive(Clone, Debug)]
pub enum Step {
    Create {
        place: RepositoryKey,
    },
    DeleteRepository {
        place: RepositoryKey,
    },
    /// With `lies`, other bytes come than the digest says.
    Upload {
        who: Principal,
        place: RepositoryKey,
        blob: usize,
        method: UploadMethod,
        lies: bool,
    },
    Mount {
        who: Principal,
        from: Kind,
        to: RepositoryKey,
        blob: usize,
        names_from: bool,
    },
    PutImage {
        who: Principal,
        place: RepositoryKey,
        image: usize,
        by_api: bool,
    },
    PullImage {
        account: usize,
        image: usize,
    },
    DeleteImage {
        who: Principal,
        place: RepositoryKey,
        image: usize,
        by_api: bool,
    },
    Expire {
        place: RepositoryKey,
    },
    Restore {
        who: Principal,
        place: RepositoryKey,
        image: usize,
        may_create: bool,
    },
    Purge {
        who: Principal,
        place: RepositoryKey,
        image: usize,
    },
    SetArchived {
        place: RepositoryKey,
        image: usize,
        is_archived: bool,
    },
    /// `says` is whose image it is said to be. `sends` is the layer whose bytes are put to the path for the first that is missing.
    PrepareReplication {
        who: Principal,
        says: usize,
        place: RepositoryKey,
        blobs: Vec<usize>,
        sends: Option<usize>,
    },
    ReceiveImage {
        who: Principal,
        place: RepositoryKey,
        image: usize,
    },
    LetOtherPull {
        lets: bool,
    },
    SetMounting {
        account: usize,
        is_on: bool,
    },
    Wait {
        days: i64,
    },
}

fn place() -> impl Strategy<Value = RepositoryKey> {
    prop::sample::select(RepositoryKey::ALL.to_vec())
}

/// Who does something where: mostly somebody who may.
fn actor() -> impl Strategy<Value = (Principal, RepositoryKey)> {
    let trespasser = (prop::sample::select(Principal::ALL.to_vec()), place());
    prop_oneof![
        6 => place().prop_map(|place| (Principal::Root(place.account), place)),
        3 => Just((Principal::User, RepositoryKey::REPLICATED)),
        1 => trespasser,
    ]
}

/// The image that the sequence begins with, more often than others.
fn image() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(0), 1 => 0..IMAGES.len()]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::One, Kind::Two, Kind::Cache])
}

fn method() -> impl Strategy<Value = UploadMethod> {
    prop::sample::select(vec![UploadMethod::Whole, UploadMethod::Chunks, UploadMethod::Api])
}

pub fn step() -> impl Strategy<Value = Step> {
    let blob = 0..BLOBS;
    let blobs = proptest::sample::subsequence((0..BLOBS).collect::<Vec<_>>(), 1..=BLOBS);
    let sends = proptest::option::of(0..BLOBS);
    prop_oneof![
        1 => place().prop_map(|place| Step::Create { place }),
        2 => place().prop_map(|place| Step::DeleteRepository { place }),
        5 => (actor(), blob.clone(), method(), prop::bool::weighted(0.15))
            .prop_map(|((who, place), blob, method, lies)| Step::Upload { who, place, blob, method, lies }),
        6 => (actor(), kind(), blob, prop::bool::weighted(0.85))
            .prop_map(|((who, to), from, blob, names_from)| Step::Mount { who, from, to, blob, names_from }),
        6 => (actor(), image(), any::<bool>())
            .prop_map(|((who, place), image, by_api)| Step::PutImage { who, place, image, by_api }),
        4 => (0..2_usize, image()).prop_map(|(account, image)| Step::PullImage { account, image }),
        5 => (actor(), image(), any::<bool>())
            .prop_map(|((who, place), image, by_api)| Step::DeleteImage { who, place, image, by_api }),
        1 => place().prop_map(|place| Step::Expire { place }),
        6 => (actor(), image(), any::<bool>())
            .prop_map(|((who, place), image, may_create)| Step::Restore { who, place, image, may_create }),
        1 => (actor(), image()).prop_map(|((who, place), image)| Step::Purge { who, place, image }),
        3 => (place(), image(), prop::bool::weighted(0.7))
            .prop_map(|(place, image, is_archived)| Step::SetArchived { place, image, is_archived }),
        6 => (actor(), 0..2_usize, blobs, sends).prop_map(|((who, place), says, blobs, sends)| {
            Step::PrepareReplication { who, says, place, blobs, sends }
        }),
        3 => (actor(), image()).prop_map(|((who, place), image)| Step::ReceiveImage { who, place, image }),
        1 => any::<bool>().prop_map(|lets| Step::LetOtherPull { lets }),
        1 => (0..2_usize, any::<bool>()).prop_map(|(account, is_on)| Step::SetMounting { account, is_on }),
        2 => (1..3_i64).prop_map(|days| Step::Wait { days }),
    ]
}

/// What there is before a sequence begins, since an empty registry would spend most steps on being one: the first account
/// has all layers and an image of two of them in a repository of its own, where another image was deleted, and the other
/// account has a repository of that name.
pub fn beginning() -> Vec<Step> {
    let owner = Principal::Root(0);
    let same_name = RepositoryKey { account: 1, ..RepositoryKey::OPEN };
    let create = [RepositoryKey::REPLICATED, RepositoryKey::OPEN, RepositoryKey::REPLICA, same_name]
        .map(|place| Step::Create { place });
    let upload = (0..BLOBS).map(|blob| Step::Upload {
        who: owner,
        place: RepositoryKey::OPEN,
        blob,
        method: UploadMethod::Whole,
        lies: false,
    });
    let put = [1, 0].map(|image| Step::PutImage { who: owner, place: RepositoryKey::OPEN, image, by_api: false });
    let delete = Step::DeleteImage { who: owner, place: RepositoryKey::OPEN, image: 1, by_api: false };
    create.into_iter().chain(upload).chain(put).chain([delete]).collect()
}

/// Says so if the server does not do what the model does.
fn expect(what: &str, did: bool, should: bool, detail: impl std::fmt::Debug) -> Result<(), String> {
    if did == should { Ok(()) } else { Err(format!("{what}: {did}, and should be {should}: {detail:?}")) }
}

impl Step {
    /// The repository that it is about.
    pub fn place(&self) -> RepositoryKey {
        match self {
            Self::Create { place }
            | Self::DeleteRepository { place }
            | Self::Upload { place, .. }
            | Self::PutImage { place, .. }
            | Self::DeleteImage { place, .. }
            | Self::Expire { place }
            | Self::Restore { place, .. }
            | Self::Purge { place, .. }
            | Self::SetArchived { place, .. }
            | Self::PrepareReplication { place, .. }
            | Self::ReceiveImage { place, .. }
            | Self::Mount { to: place, .. } => *place,
            Self::PullImage { account, .. } => RepositoryKey { account: *account, kind: Kind::Cache },
            Self::LetOtherPull { .. } => RepositoryKey::OPEN,
            Self::SetMounting { .. } | Self::Wait { .. } => RepositoryKey::REPLICA,
        }
    }

    pub async fn run(&self, world: &mut World, contents: &Contents, model: &mut Model) -> Result<(), String> {
        let place = self.place();
        let here = members(contents, place);
        match *self {
            Self::Create { .. } => {
                let created = world.call(Principal::Root(place.account), "CreateRepository", here).await;
                expect("created", created.is_ok(), model.create(place), created)?;
            }
            Self::DeleteRepository { .. } => {
                let input = with(here, "force", true.into());
                let deleted = world.call(Principal::Root(place.account), "DeleteRepository", input).await;
                expect("deleted", deleted.is_ok(), model.delete_repository(place), deleted)?;
            }
            Self::Upload { who, blob, method, lies, .. } => {
                upload(world, contents, model, (who, place, blob), method, lies).await?;
            }
            Self::Mount { who, from, blob, names_from, .. } => {
                let from = RepositoryKey { account: place.account, kind: from };
                let digest = &contents.blobs[blob].0;
                let mut path = format!("{}/blobs/uploads/?mount={digest}", contents.name(place.kind));
                if names_from {
                    let _ = write!(path, "&from={}", contents.name(from.kind));
                }
                let reply = world.v2(who, place.account, Method::POST, path, b"").await;
                let should = who.may_write(place)
                    && model.exists(place)
                    && names_from
                    && model.mounting[place.account]
                    && model.may_read(who, from)
                    && model.is_readable(from, blob);
                expect("mounted", reply.status == 201, should, reply)?;
                if should {
                    model.show(place, blob);
                }
            }
            Self::PutImage { who, image, by_api, .. } => {
                let (digest, manifest) = &contents.images[image];
                let put = if who.may_write(place) { model.put_image(place, image, true) } else { Put::Refused };
                if by_api {
                    let input = with(here, "imageManifest", manifest.as_str().into());
                    let pushed = world.call(who, "PutImage", input).await;
                    expect("pushed", pushed.is_ok(), put == Put::Stored, pushed)?;
                } else {
                    let path = format!("{}/manifests/{digest}", contents.name(place.kind));
                    let reply = world.v2(who, place.account, Method::PUT, path, manifest.as_bytes()).await;
                    expect("pushed", reply.status == 201, put != Put::Refused, reply)?;
                }
            }
            Self::PullImage { account, image } => {
                let path = format!("{}/manifests/{}", contents.name(Kind::Cache), contents.images[image].0);
                let reply = world.v2(Principal::Root(account), account, Method::GET, path, b"").await;
                expect("pulled", reply.status == 200, model.pull_image(place, image), reply)?;
            }
            Self::DeleteImage { who, image, by_api, .. } => {
                let digest = &contents.images[image].0;
                let should = who.may_write(place) && model.delete_image(place, image);
                let did = if by_api {
                    let input = with(here, "imageIds", json!([{"imageDigest": digest}]));
                    let answer = world.call(who, "BatchDeleteImage", input).await;
                    answer.is_ok_and(|answer| answer["imageIds"] != json!([]))
                } else {
                    let path = format!("{}/manifests/{digest}", contents.name(place.kind));
                    world.v2(who, place.account, Method::DELETE, path, b"").await.status == 202
                };
                expect("deleted", did, should, digest)?;
            }
            Self::Expire { .. } => expire(world, model, place, here).await?,
            Self::Restore { who, image, may_create, .. } => {
                let input = with(here, "imageIds", json!([{"imageDigest": contents.images[image].0}]));
                let answer = world.call(who, "RestoreImage", with(input, "createRepository", may_create.into())).await;
                let did = answer.as_ref().is_ok_and(|answer| answer["restoredImages"] != json!([]));
                let should = who.may_write(place) && model.restore(place, image, may_create);
                expect("restored", did, should, answer)?;
            }
            Self::Purge { who, image, .. } => {
                let input = with(here, "imageIds", json!([{"imageDigest": contents.images[image].0}]));
                let answer = world.call(who, "PurgeDeletedImages", input).await;
                let did = answer.as_ref().is_ok_and(|answer| answer["purgedImages"] != json!([]));
                expect("purged", did, who.may_write(place) && model.purge(place, image), answer)?;
            }
            Self::SetArchived { image, is_archived, .. } => {
                let class = if is_archived { "ARCHIVE" } else { "STANDARD" };
                let input = with(here, "imageId", json!({"imageDigest": contents.images[image].0}));
                let input = with(input, "targetStorageClass", class.into());
                let answer = world.call(Principal::Root(place.account), "UpdateImageStorageClass", input).await;
                expect("archived", answer.is_ok(), model.set_archived(place, image, is_archived), answer)?;
            }
            Self::PrepareReplication { who, says, ref blobs, sends, .. } => {
                let source = account_id(says);
                prepare(world, contents, model, (who, place), source, blobs, sends).await?;
            }
            Self::ReceiveImage { who, image, .. } => {
                let (digest, manifest) = &contents.images[image];
                let mut input = with(here, "sourceAccountId", account_id(place.account).into());
                input = with(input, "imageDigest", digest.to_string().into());
                input = with(input, "imageManifestMediaType", MANIFEST.into());
                input = with(input, "imageManifest", STANDARD.encode(manifest).into());
                let answer = world.call(who, "ReceiveReplicatedImage", input).await;
                let put = if who.may_write(place) { model.put_image(place, image, false) } else { Put::Refused };
                expect("received", answer.is_ok(), put != Put::Refused, answer)?;
                model.goes_no_further();
            }
            Self::LetOtherPull { lets } => let_other_pull(world, model, lets, here).await?,
            Self::SetMounting { account, is_on } => {
                world.set_mounting(account, is_on).await;
                model.mounting[account] = is_on;
            }
            Self::Wait { days } => {
                world.test.clock.advance_ms(days * DAY_MS);
                model.now_ms += days * DAY_MS;
                collect_garbage::run(&world.test.app).await.map_err(|error| error.to_string())?;
                model.collect();
            }
        }
        // Jobs are looked for where something is to be seen of them.
        if matches!(self, Self::SetArchived { .. }) || model.is_replicating() {
            world.settle().await;
            model.replicate();
        }
        Ok(())
    }
}

fn with(mut input: Value, member: &str, value: Value) -> Value {
    input[member] = value;
    input
}

async fn upload(
    world: &mut World,
    contents: &Contents,
    model: &mut Model,
    (who, place, blob): (Principal, RepositoryKey, usize),
    method: UploadMethod,
    lies: bool,
) -> Result<(), String> {
    let (digest, content) = &contents.blobs[blob];
    let bytes = if lies { b"something else" } else { content.as_slice() };
    let name = contents.name(place.kind);
    let may = who.may_write(place) && model.exists(place) && !lies;
    let (did, should) = match method {
        UploadMethod::Whole => {
            let path = format!("{name}/blobs/uploads/?digest={digest}");
            (world.v2(who, place.account, Method::POST, path, bytes).await.status == 201, may)
        }
        UploadMethod::Chunks => {
            let begun = world.v2(who, place.account, Method::POST, format!("{name}/blobs/uploads/"), b"").await;
            match location(&begun) {
                Some(path) => {
                    world.v2(who, place.account, Method::PATCH, path.clone(), bytes).await;
                    let path = format!("{path}?digest={digest}");
                    (world.v2(who, place.account, Method::PUT, path, b"").await.status == 201, may)
                }
                None => (false, may),
            }
        }
        // What can be read there need not come again, says this protocol.
        UploadMethod::Api => {
            let uploaded = upload_by_api(world, contents, who, place, &digest.to_string(), bytes).await;
            (uploaded.is_ok(), may && !model.is_readable(place, blob))
        }
    };
    if should {
        model.show(place, blob);
    }
    expect("uploaded", did, should, method)
}

async fn upload_by_api(
    world: &World,
    contents: &Contents,
    who: Principal,
    place: RepositoryKey,
    digest: &str,
    bytes: &[u8],
) -> Result<(), String> {
    let here = members(contents, place);
    let begun = world.call(who, "InitiateLayerUpload", here.clone()).await?;
    let here = with(here, "uploadId", begun["uploadId"].clone());
    let part = with(here.clone(), "partFirstByte", 0.into());
    let part = with(part, "partLastByte", (bytes.len() - 1).into());
    world.call(who, "UploadLayerPart", with(part, "layerPartBlob", STANDARD.encode(bytes).into())).await?;
    world.call(who, "CompleteLayerUpload", with(here, "layerDigests", json!([digest]))).await.map(drop)
}

async fn expire(world: &World, model: &mut Model, place: RepositoryKey, here: Value) -> Result<(), String> {
    let who = Principal::Root(place.account);
    let is_any_archived = (0..IMAGES.len()).any(|image| model.has_image(place, image) == Some(true));
    if !model.exists(place) || is_any_archived {
        return Ok(());
    }
    world.test.clock.advance_ms(2 * DAY_MS);
    model.now_ms += 2 * DAY_MS;
    let selection = json!({"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 1});
    let policy = json!({"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]});
    let input = with(here.clone(), "lifecyclePolicyText", policy.to_string().into());
    world.call(who, "PutLifecyclePolicy", input).await?;
    world.call(who, "RunLifecyclePolicy", here.clone()).await?;
    world.settle().await;
    world.call(who, "DeleteLifecyclePolicy", here).await?;
    model.expire_images(place);
    Ok(())
}

async fn prepare(
    world: &mut World,
    contents: &Contents,
    model: &mut Model,
    (who, place): (Principal, RepositoryKey),
    source: &str,
    blobs: &[usize],
    sends: Option<usize>,
) -> Result<(), String> {
    let digests: Vec<String> = blobs.iter().map(|blob| contents.blobs[*blob].0.to_string()).collect();
    let input = with(members(contents, place), "sourceAccountId", source.into());
    let answer = world.call(who, "PrepareReplication", with(input, "layerDigests", json!(digests))).await;
    expect("prepared", answer.is_ok(), who.may_write(place), &answer)?;
    let Ok(answer) = answer else { return Ok(()) };
    let missing = model.prepare(who, place, blobs);
    let told = answer["missingLayers"].as_array().cloned().unwrap_or_default();
    let named: Vec<&str> = told.iter().filter_map(|layer| layer["layerDigest"].as_str()).collect();
    let should: Vec<String> = missing.iter().map(|blob| contents.blobs[*blob].0.to_string()).collect();
    if named != should {
        return Err(format!("missing are {named:?}, and should be {should:?}"));
    }
    let (Some(sends), Some(first), Some(layer)) = (sends, missing.first(), told.first()) else { return Ok(()) };
    let path = layer["uploadPath"].as_str().unwrap_or_default().to_owned();
    let reply = world.open(Method::PUT, path, &contents.blobs[sends].1).await;
    expect("taken", reply.status == 201, sends == *first, reply)?;
    if sends == *first {
        model.show(place, sends);
    }
    Ok(())
}

async fn let_other_pull(world: &World, model: &mut Model, lets: bool, here: Value) -> Result<(), String> {
    let actions = ["ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability"];
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": if lets { "Allow" } else { "Deny" }, "Action": actions,
        "Principal": {"AWS": format!("arn:aws:iam::{}:root", account_id(1))}}]});
    let input = with(here, "policyText", policy.to_string().into());
    let answer = world.call(Principal::Root(0), "SetRepositoryPolicy", input).await;
    expect("policy set", answer.is_ok(), model.let_other_pull(lets), answer)
}
