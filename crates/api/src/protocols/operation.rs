//! What an operation of a service is: its checks, what it needs permission for, and what it does. Whoever calls it was let in
//! (`admission`); the steps from there on are taken here, in the same order for all of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use access::action::Action;
use access::audit::{self, EndedCall};
use access::auth::authorize::{self, Need, Refusal, Resource};
use access::auth::caller::Caller;
use access::request::RequestContext;
use aws::AwsError;
use registry::Registry;
use runtime::aws_error::{IntoAwsError, server_error, store_error};
use runtime::rates::RatedOperation;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::tables::registry_id::RegistryId;

use crate::admission::Admitted;

/// One call by somebody who was let in.
pub struct Call<'a> {
    /// The node's registry, by which the operation reaches whatever it needs: access and runtime lie in it.
    pub app: &'a Arc<Registry>,
    /// The request.
    pub http: &'a RequestContext,
    /// Who calls.
    pub caller: Caller,
    /// The registry that is asked where the input names none.
    pub registry: RegistryId,
}

impl<'a> Call<'a> {
    /// A call over the network, which was let in.
    pub fn of(app: &'a Arc<Registry>, http: &'a RequestContext, admitted: Admitted) -> Self {
        let Admitted { caller, registry, .. } = admitted;
        Self { app, http, caller, registry }
    }

    /// A call in this process, of the caller's own registry.
    pub fn new(app: &'a Arc<Registry>, http: &'a RequestContext, caller: Caller) -> Self {
        let registry = caller.own_registry();
        Self { app, http, caller, registry }
    }

    /// The caller's own registry in the region of the call.
    pub fn own_registry(&self) -> RegistryId {
        self.registry.clone()
    }
}

/// An operation. The dispatcher calls the parts in this order; authorization on what `needs` says is its own.
pub trait Operation: Send + Sync + 'static {
    /// The name in `X-Amz-Target`.
    const NAME: &'static str;
    /// The IAM action.
    const ACTION: Action;
    /// Whether it changes nothing, as CloudTrail's `readOnly` says of it. What changes something goes on to its end and to its
    /// record though its client goes, from the moment that it is allowed.
    const READ_ONLY: bool;
    /// The longest request. 2 MiB fits the fullest lists of the model.
    const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;
    /// A member whose base64 may be large: its content is not in the input but in the request's `large_member`, where it
    /// comes over the network.
    const LARGE_MEMBER: Option<&'static str> = None;
    /// Whether it ends when its client goes although it is not [`READ_ONLY`](Self::READ_ONLY) to records: it leaves nothing
    /// behind.
    const ENDS_WITH_CLIENT: bool = false;
    /// The model's input shape.
    type Input: DeserializeOwned + Send;
    /// The model's output shape.
    type Output: Serialize + Send;
    /// The input, validated.
    type Checked: Send + Sync;
    /// The service's errors.
    type Error: IntoAwsError + Send;

    /// Validates, without touching storage.
    fn check(call: &Call<'_>, input: Self::Input) -> Result<Self::Checked, Self::Error>;
    /// Every permission that the caller must have: `ACTION` on each resource, and what else the input takes.
    fn needs(call: &Call<'_>, checked: &Self::Checked) -> Vec<Need>;
    /// Writes the answer.
    fn encode(output: Self::Output) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&output)
    }
    /// Does it.
    fn run(call: &Call<'_>, checked: Self::Checked) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, AwsError>> + Send + 'a>>;

/// An operation in a service's table.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// The action that it asks for.
    pub action: Action,
    /// Whether it changes nothing.
    pub is_read_only: bool,
    /// The longest request.
    pub max_body_bytes: usize,
    /// The member whose content is kept apart.
    pub large_member: Option<&'static str>,
    /// Runs it on a request's JSON and gives the answer's.
    pub run: for<'a> fn(&'a Call<'a>, &'a [u8]) -> Running<'a>,
    /// Runs it on the JSON that a form stands for, in which every value is a text.
    pub run_form: for<'a> fn(&'a Call<'a>, &'a [u8]) -> Running<'a>,
}

/// How an input is read.
type Read<I> = fn(&[u8]) -> Result<I, serde_json::Error>;

impl Entry {
    /// The entry of an operation.
    pub const fn of<O: Operation>() -> Self {
        Self {
            name: O::NAME,
            action: O::ACTION,
            is_read_only: O::READ_ONLY,
            max_body_bytes: O::MAX_BODY_BYTES,
            large_member: O::LARGE_MEMBER,
            run: |call, body| Box::pin(run::<O>(call, body, aws::from_json)),
            run_form: |call, body| Box::pin(run::<O>(call, body, aws::from_form)),
        }
    }
}

async fn run<O: Operation>(call: &Call<'_>, body: &[u8], read: Read<O::Input>) -> Result<Vec<u8>, AwsError> {
    let mut needs = Vec::new();
    let result =
        decide_and_run::<O>(call, body, read, &mut needs).await.and_then(|output| encode::<O>(call, O::encode(output)));
    record::<O>(call, body, &needs, &result);
    result
}

/// Runs an operation for a caller in this process, such as a page that shows what it answers, and gives its typed output:
/// its input is JSON as over the network, and the steps, the record among them, are the same. Fails with the error that a
/// client would get.
pub async fn perform<O: Operation>(call: &Call<'_>, input: &[u8]) -> Result<O::Output, AwsError> {
    let mut needs = Vec::new();
    let result = decide_and_run::<O>(call, input, aws::from_json, &mut needs).await;
    let outcome = match &result {
        // Records tell of what was read nothing but that it was.
        Ok(_) if O::READ_ONLY => Ok(Vec::new()),
        Ok(output) => encode::<O>(call, serde_json::to_vec(output)),
        Err(error) => Err(error.clone()),
    };
    record::<O>(call, input, &needs, &outcome);
    result
}

fn encode<O: Operation>(call: &Call<'_>, json: Result<Vec<u8>, serde_json::Error>) -> Result<Vec<u8>, AwsError> {
    json.map_err(|error| {
        tracing::error!(request_id = %call.http.request_id, %error, "answer of {} cannot be encoded: {error}", O::NAME);
        server_error()
    })
}

fn record<O: Operation>(call: &Call<'_>, body: &[u8], needs: &[Need], result: &Result<Vec<u8>, AwsError>) {
    audit::record_call(&EndedCall {
        http: call.http,
        caller: &call.caller,
        name: O::NAME,
        action: O::ACTION,
        is_read_only: O::READ_ONLY,
        body,
        members: aws::members_of::<O::Input>(),
        needs,
        result,
    });
}

/// Takes the steps before and up to what the operation does; `needs` is left with what was asked for, also when it was
/// refused.
async fn decide_and_run<O: Operation>(
    call: &Call<'_>,
    body: &[u8],
    read: Read<O::Input>,
    needs: &mut Vec<Need>,
) -> Result<O::Output, AwsError> {
    let checked = check::<O>(call, body, read)?;
    *needs = O::needs(call, &checked);
    if let Some(name) = needs.iter().find_map(Need::repository_name) {
        call.http.notes.set_repository(name);
    }
    for need in needs.iter() {
        authorize(call, need).await?;
    }
    throttle(call, O::NAME, needs)?;
    if !O::READ_ONLY && !O::ENDS_WITH_CLIENT {
        call.http.must_finish();
    }
    O::run(call, checked).await.map_err(|error| error.into_aws_error(call.http.request_id))
}

/// Reads the input, and has the operation validate it.
fn check<O: Operation>(call: &Call<'_>, body: &[u8], read: Read<O::Input>) -> Result<O::Checked, AwsError> {
    let request_id = call.http.request_id;
    let input: O::Input = read(body).map_err(|error| {
        tracing::debug!(%request_id, %error, "request body does not fit {}: {error}", O::NAME);
        AwsError::new("SerializationException", "Unable to parse request body")
    })?;
    O::check(call, input).map_err(|error| error.into_aws_error(request_id))
}

/// Refuses unless the caller has one of the permissions that the operation needs.
async fn authorize(call: &Call<'_>, need: &Need) -> Result<(), AwsError> {
    authorize::authorize(call.http, &call.caller, need).await.map_err(|refusal| match refusal {
        Refusal::Denied(message) => AwsError::new("AccessDeniedException", message),
        Refusal::Store(error) => store_error(call.http.request_id, &error),
    })
}

/// Refuses what the registry is asked too often. What names no registry is asked of the caller's own.
fn throttle(call: &Call<'_>, name: &str, needs: &[Need]) -> Result<(), AwsError> {
    let app = call.app;
    if app.rates.is_unlimited() {
        return Ok(());
    }
    let Some(operation) = RatedOperation::of_name(name) else { return Ok(()) };
    let named = needs.iter().find_map(|need| match &need.resource {
        Resource::Repository { registry, .. } => Some(registry.clone()),
        Resource::Secret(_) | Resource::Key(_) | Resource::Own(_) | Resource::Any => None,
    });
    let registry = named.unwrap_or_else(|| call.own_registry());
    let taken = app.rates.take(&registry, operation, app.now_ms());
    taken.map_err(|_| AwsError::new("ThrottlingException", "Rate exceeded"))
}
