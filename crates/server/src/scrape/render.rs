//! Every metric, in the order in which it is told. docs/metrics.md lists them all.

use std::sync::Arc;

use registry::Registry;
use registry::figures;
use runtime::http::budget::{PoolKind, RequestBudget};
use runtime::jobs::job::EVENT_KIND_PREFIX;
use runtime::metrics::exposition::{Exposition, Kind, plain, seconds};
use runtime::metrics::{Metrics, StoreState, WorkState, process};
use store::db::Dialect;
use store::tables::store_sizes::{StoreSizes, TierSizes};

/// The whole text.
pub async fn render(app: &Arc<Registry>) -> String {
    let mut out = Exposition::default();
    let metrics = &app.metrics;
    let (work, store) = tokio::join!(figures::work(app), figures::store(app));
    render_node(&mut out, app);
    metrics.requests.render(&mut out);
    render_traffic(&mut out, metrics);
    render_budget(&mut out, &app.request_budget);
    metrics.pulls.render(&mut out);
    render_cache(&mut out, metrics);
    render_database(&mut out, app);
    render_jobs_of_node(&mut out, metrics);
    metrics.scans.render(&mut out);
    if let Some(work) = work {
        render_work(&mut out, app, &work);
    }
    if let Some(store) = store {
        render_store(&mut out, &store, app.now_ms());
    }
    process::render(&mut out);
    out.finish()
}

fn render_node(out: &mut Exposition, app: &Registry) {
    out.family("wharf_build_info", Kind::Gauge, "Always 1; the labels say what runs.");
    let database = match app.db.dialect() {
        Dialect::Sqlite => "sqlite",
        Dialect::Postgres => "postgres",
    };
    out.sample("", &[("version", env!("CARGO_PKG_VERSION")), ("database", database)], 1);
    let uptime = app.metrics.uptime().as_secs_f64();
    out.single("wharf_uptime_seconds", Kind::Gauge, "Seconds since the server started.", uptime);
    let dropped = app.telemetry.dropped();
    out.single("wharf_spans_dropped_total", Kind::Counter, "Spans that were not exported.", dropped);
}

fn render_traffic(out: &mut Exposition, metrics: &Metrics) {
    let in_flight = metrics.requests_in_flight.get();
    out.single("wharf_http_requests_in_flight", Kind::Gauge, "Requests whose answers are not sent yet.", in_flight);
    let received = metrics.received_bytes.get();
    out.single("wharf_http_received_bytes_total", Kind::Counter, "Bytes of requests' bodies.", received);
    let sent = metrics.sent_bytes.get();
    out.single("wharf_http_sent_bytes_total", Kind::Counter, "Bytes of answers' bodies.", sent);
    let open = metrics.connections_open.get();
    out.single("wharf_http_connections", Kind::Gauge, "Connections that are open.", open);
    let all = metrics.connections.get();
    out.single("wharf_http_connections_total", Kind::Counter, "Connections that were accepted.", all);
    metrics.connection_ends.render(out);
    let failed = metrics.failed_handshakes.get();
    out.single("wharf_tls_failed_handshakes_total", Kind::Counter, "TLS handshakes that came to nothing.", failed);
}

fn render_budget(out: &mut Exposition, budget: &RequestBudget) {
    let pools = [
        ("strangers", PoolKind::Strangers),
        ("known", PoolKind::Known),
        ("disk", PoolKind::Disk),
        ("buffers", PoolKind::Buffers),
        ("answers", PoolKind::Answers),
    ];
    let help = "What bodies of requests hold while they are being received, and answers until they are taken.";
    out.family("wharf_request_held_bytes", Kind::Gauge, help);
    for (pool, kind) in pools {
        out.sample("", &[("pool", pool)], budget.held_bytes(kind));
    }
    out.family("wharf_request_limit_bytes", Kind::Gauge, "How much that may be.");
    for (pool, kind) in pools {
        out.sample("", &[("pool", pool)], budget.limit_bytes(kind));
    }
    let help = "Requests that were refused since there was no room for them.";
    out.family("wharf_requests_without_room_total", Kind::Counter, help);
    for (pool, kind) in pools {
        out.sample("", &[("pool", pool)], budget.refused(kind));
    }
    let help = "Connections that were ended for it, whose clients neither sent nor took anything for a while.";
    out.family("wharf_request_connections_given_up_total", Kind::Counter, help);
    for (pool, kind) in pools {
        out.sample("", &[("pool", pool)], budget.given_up(kind));
    }
}

fn render_cache(out: &mut Exposition, metrics: &Metrics) {
    let help = "Pulls of repositories that are filled from upstream, by what the cache had to do.";
    out.family("wharf_cache_pulls_total", Kind::Counter, help);
    let counts = &metrics.cache;
    for (result, counter) in [("hit", &counts.hits), ("check", &counts.checks), ("miss", &counts.misses)] {
        out.sample("", &[("result", result)], counter.get());
    }
    let layers = counts.layers.get();
    out.single("wharf_cache_layers_fetched_total", Kind::Counter, "Layers that were fetched from upstream.", layers);
}

fn render_database(out: &mut Exposition, app: &Registry) {
    let measures = app.db.measures();
    let both = [("read", &measures.reads), ("write", &measures.writes)];
    out.family("wharf_database_attempts_total", Kind::Counter, "Runs of transactions, repeated ones included.");
    for (access, of) in both {
        out.sample("", &[("access", access)], of.attempts.get());
    }
    out.family("wharf_database_retries_total", Kind::Counter, "Runs after the first of the same transaction.");
    for (access, of) in both {
        out.sample("", &[("access", access)], of.retries.get());
    }
    let help = "Time that transactions waited for a connection, or for the writer.";
    out.family("wharf_database_wait_seconds", Kind::Histogram, help);
    for (access, of) in both {
        out.histogram(&[("access", access)], &of.wait_micros.read(), seconds);
    }
    let help = "Transactions that shared one commit of the embedded database.";
    out.family("wharf_database_group_size", Kind::Histogram, help);
    out.histogram(&[], &measures.group_sizes.read(), plain);
    if let Some(pages) = app.db.damaged_pages_read() {
        let help = "Pages of the embedded database that were read and are not what was written to them.";
        out.single("wharf_database_damaged_pages_total", Kind::Counter, help, pages);
    }
}

fn render_jobs_of_node(out: &mut Exposition, metrics: &Metrics) {
    out.family("wharf_job_runs_total", Kind::Counter, "Runs of background jobs on this node, by how they ended.");
    let runs = [("done", &metrics.jobs.done), ("failed", &metrics.jobs.failed), ("given_up", &metrics.jobs.given_up)];
    for (result, counter) in runs {
        out.sample("", &[("result", result)], counter.get());
    }
}

/// The label of a kind: the sinks of events have one each.
fn kind_and_sink(kind: &str) -> (&str, &str) {
    kind.strip_prefix(EVENT_KIND_PREFIX).map_or((kind, ""), |sink| ("event", sink))
}

fn render_work(out: &mut Exposition, app: &Registry, work: &WorkState) {
    out.family("wharf_jobs", Kind::Gauge, "Background jobs of all nodes, by kind and state.");
    for of_kind in &work.jobs {
        let (kind, sink) = kind_and_sink(&of_kind.kind);
        for (state, count) in [("waiting", of_kind.waiting), ("running", of_kind.running), ("dead", of_kind.dead)] {
            out.sample("", &[("kind", kind), ("sink", sink), ("state", state)], count);
        }
    }
    let help = "How long the longest waiting job of a kind could have been begun.";
    out.family("wharf_jobs_oldest_wait_seconds", Kind::Gauge, help);
    for of_kind in &work.jobs {
        let (kind, sink) = kind_and_sink(&of_kind.kind);
        let waited_ms = of_kind.oldest_due_at_ms.map_or(0, |due| (work.at_ms - due).max(0));
        out.sample("", &[("kind", kind), ("sink", sink)], waited_ms as f64 / 1e3);
    }
    let waiting: u64 =
        work.jobs.iter().filter(|of| of.kind.starts_with(EVENT_KIND_PREFIX)).map(|of| of.waiting + of.running).sum();
    out.single("wharf_events_waiting", Kind::Gauge, "Events that are not delivered yet, over all sinks.", waiting);
    let dead: u64 = work.jobs.iter().map(|of| of.dead).sum();
    out.single("wharf_jobs_dead", Kind::Gauge, "Jobs that were given up.", dead);
    out.single("wharf_uploads", Kind::Gauge, "Uploads that have begun and not ended.", work.uploads);
    let help = "Bytes that these uploads have received.";
    out.single("wharf_upload_bytes", Kind::Gauge, help, work.upload_bytes);
    if let Some(collection) = &work.collection {
        let name = "wharf_garbage_collected_objects_total";
        out.single(name, Kind::Counter, "Objects that were collected.", collection.total_objects_removed);
        let name = "wharf_garbage_collected_bytes_total";
        out.single(name, Kind::Counter, "Bytes that these held.", collection.total_bytes_removed);
        let age = (work.at_ms - collection.started_at_ms).max(0) as f64 / 1e3;
        let name = "wharf_garbage_collection_age_seconds";
        out.single(name, Kind::Gauge, "Time since the last collection began.", age);
    }
    let (waiting, oldest_ms) = work.scans;
    out.single("wharf_scans_waiting", Kind::Gauge, "Scans of images that have not ended.", waiting);
    let waited_ms = oldest_ms.map_or(0, |asked_ms| (work.at_ms - asked_ms).max(0));
    let help = "How long the oldest of these waits.";
    out.single("wharf_scans_oldest_wait_seconds", Kind::Gauge, help, waited_ms as f64 / 1e3);
    let help = "Time since a file of advisories was last seen to be current; there is none while there never was.";
    out.family("wharf_advisories_age_seconds", Kind::Gauge, help);
    for (feed, checked_at_ms) in &work.advisories {
        if let Some(checked_at_ms) = checked_at_ms {
            out.sample("", &[("feed", feed)], (work.at_ms - checked_at_ms).max(0) as f64 / 1e3);
        }
    }
    let alive = work.nodes.iter().filter(|node| app.is_alive(node, work.at_ms)).count();
    out.single("wharf_nodes", Kind::Gauge, "Nodes that are alive.", alive);
}

fn render_store(out: &mut Exposition, store: &StoreState, now_ms: i64) {
    let StoreSizes { standard, archive, repositories, images, tags } = store.sizes;
    out.single("wharf_repositories", Kind::Gauge, "Repositories.", repositories);
    out.single("wharf_images", Kind::Gauge, "Images.", images);
    out.single("wharf_tags", Kind::Gauge, "Tags.", tags);
    let tiers = [("standard", standard), ("archive", archive)];
    let mut render = |name, help: &str, of: fn(&TierSizes) -> u64| {
        out.family(name, Kind::Gauge, help);
        for (tier, sizes) in &tiers {
            out.sample("", &[("tier", tier)], of(sizes));
        }
    };
    render("wharf_store_objects", "Stored objects.", |sizes| sizes.objects);
    render("wharf_store_stored_bytes", "Bytes that these take, as they are stored.", |sizes| sizes.stored_bytes);
    render("wharf_store_unique_bytes", "Bytes of their content, each counted once.", |sizes| sizes.unique_bytes);
    let help = "Bytes if every repository, and every deleted image that can be restored, had copies of its own.";
    render("wharf_store_logical_bytes", help, |sizes| sizes.logical_bytes);
    let help = "Bytes that sharing saves: logical less unique.";
    render("wharf_store_shared_bytes", help, |sizes| sizes.logical_bytes.saturating_sub(sizes.unique_bytes));
    let age = (now_ms - store.at_ms).max(0) as f64 / 1e3;
    out.single("wharf_store_age_seconds", Kind::Gauge, "How old the figures of the store are.", age);
}
