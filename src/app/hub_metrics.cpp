#include "app/hub_metrics.h"

#include "workflows/workspace_build.h"

namespace slipway::app {

using Kind = observe::Registry::Kind;

namespace {

using Samples = std::vector<observe::Registry::Sample>;

// One sample for each queue that `value` says something of.
template <class Value>
auto by_queue(const durable::Engine& engine, Value value) {
  return [&engine, value] {
    Samples samples;
    for (const auto& [queue, statistics] : engine.queue_statistics())
      if (const std::optional<double> found = value(statistics)) samples.push_back({{{"queue", queue}}, *found});
    return samples;
  };
}

// Of a build, what it brings its workspace to (RUN-18): counted by its run, which ends also where no daemon ever had a
// job for it.
void count_build(observe::Registry& registry, const durable::RunRecord& run, durable::EventType end) {
  const auto request = json::from_value<workflows::WorkspaceBuildRequest>(run.input, json::Mode::lenient);
  const auto status = end == durable::EventType::run_completed ? fleet::JobStatus::succeeded
                      : end == durable::EventType::run_failed  ? fleet::JobStatus::failed
                                                               : fleet::JobStatus::cancelled;
  registry
      .counter("slipway_workspace_builds_total", "Builds of workspaces that ended.",
               {{"transition", boost::describe::enum_to_string(request.transition, "")},
                {"status", boost::describe::enum_to_string(status, "")}})
      .increment();
}

}  // namespace

HubMetrics::HubMetrics(observe::Registry& registry, const durable::Engine& engine, const durable::Scheduler& scheduler,
                       const store::Database& database, const net::Server& server, const agent::AgentHub& agents)
    : registry_(registry) {
  const auto read = [&](Kind kind, const char* name, const char* help, auto value) {
    registrations_.push_back(registry.read(kind, name, help, {}, [value] { return double(value()); }));
  };
  read(Kind::gauge, "slipway_runs_live", "Runs in memory.", [&] { return engine.statistics().live; });
  read(Kind::gauge, "slipway_runs_sleeping", "Runs that wait outside of memory.",
       [&] { return engine.statistics().sleeping; });
  read(Kind::gauge, "slipway_runs_parked", "Runs whose journal does not fit the code.",
       [&] { return engine.statistics().parked; });
  read(Kind::gauge, "slipway_step_attempts_under_way", "Steps at work now.",
       [&] { return engine.statistics().attempts_under_way; });
  read(Kind::counter, "slipway_runs_taken_over_total", "Runs taken over from replicas that had gone.",
       [&] { return engine.statistics().taken_over; });
  read(Kind::counter, "slipway_leases_lost_total", "How often another replica took this one's lease.",
       [&] { return engine.statistics().lost_leases; });
  read(Kind::counter, "slipway_runs_repaired_total",
       "Runs that the sweep found with nothing to wake them: a defect, and worth an alert.",
       [&] { return engine.statistics().repaired; });
  read(Kind::counter, "slipway_step_attempts_failed_total", "Attempts of steps that failed.",
       [&] { return engine.statistics().failed_attempts; });
  read(Kind::counter, "slipway_journal_writes_failed_total", "Writes of journals that the store refused.",
       [&] { return engine.statistics().failed_writes; });
  read(Kind::counter, "slipway_schedule_starts_total", "Runs started because their time had come.",
       [&] { return scheduler.statistics().started; });
  read(Kind::counter, "slipway_schedule_skipped_total", "Times skipped because an earlier run was still at work.",
       [&] { return scheduler.statistics().skipped; });
  read(Kind::counter, "slipway_schedule_missed_total", "Times that came while nobody could start them.",
       [&] { return scheduler.statistics().missed; });
  read(Kind::counter, "slipway_schedule_errors_total", "Schedules found that cannot come.",
       [&] { return scheduler.statistics().errors; });
  read(Kind::counter, "slipway_schedule_repairs_total", "Schedules whose next time was lost or wrong.",
       [&] { return scheduler.statistics().repaired; });
  read(Kind::gauge, "slipway_schedules_late", "Schedules due for more than a minute.",
       [&] { return scheduler.statistics().late; });
  read(Kind::counter, "slipway_store_groups_total", "Transactions committed.",
       [&] { return database.statistics().groups; });
  read(Kind::counter, "slipway_store_writes_total", "Writes in them.", [&] { return database.statistics().writes; });
  read(Kind::counter, "slipway_store_groups_failed_total", "Transactions that failed.",
       [&] { return database.statistics().failed_groups; });
  read(Kind::gauge, "slipway_store_queue_length", "Writes that wait for their transaction.",
       [&] { return database.statistics().queued; });
  read(Kind::gauge, "slipway_store_wal_bytes", "Size of SQLite's write-ahead log.",
       [&] { return database.statistics().wal_bytes; });
  read(Kind::gauge, "slipway_store_healthy", "1 while the store can be written.",
       [&] { return database.statistics().healthy ? 1 : 0; });
  read(Kind::gauge, "slipway_http_connections", "Connections open.", [&] { return server.statistics().connections; });
  read(Kind::gauge, "slipway_http_streams", "Live streams open.", [&] { return server.statistics().streams; });
  read(Kind::gauge, "slipway_http_websockets", "Websockets open.", [&] { return server.statistics().websockets; });
  read(Kind::counter, "slipway_http_refused_total", "Requests that the server itself refused.",
       [&] { return server.statistics().refused_total; });
  using Queue = durable::Engine::QueueStatistics;
  const auto read_queues = [&](Kind kind, const char* name, const char* help, auto value) {
    registrations_.push_back(registry.read_many(kind, name, help, by_queue(engine, value)));
  };
  read_queues(Kind::gauge, "slipway_queue_waiting",
              "Runs that wait in a queue, over all replicas, counted now and then.",
              [](const Queue& queue) { return std::optional(double(queue.counts.waiting)); });
  read_queues(Kind::gauge, "slipway_queue_admitted", "Runs at work that came through a queue, counted likewise.",
              [](const Queue& queue) { return std::optional(double(queue.counts.admitted)); });
  read_queues(Kind::gauge, "slipway_queue_oldest_timestamp_seconds",
              "Since when the run waits that has waited longest; absent while none does.", [](const Queue& queue) {
                const auto since = queue.counts.waiting_since;
                return since ? std::optional(double(base::to_unix_ms(*since)) / 1'000.0) : std::nullopt;
              });
  read_queues(Kind::counter, "slipway_queue_admitted_total", "Runs that this replica admitted from a queue.",
              [](const Queue& queue) { return std::optional(double(queue.admitted)); });
  read(Kind::gauge, "slipway_agents_connected", "Machines whose agent is connected.", [&] { return agents.agents(); });
  read(Kind::gauge, "slipway_session_clients", "Clients with sessions to machines.", [&] { return agents.clients(); });
}

void HubMetrics::count(const durable::RunRecord& run, const durable::RunState& state,
                       const std::vector<durable::Event>& events) {
  for (const auto& event : events) {
    if (event.type == durable::EventType::run_started)
      registry_.counter("slipway_runs_started_total", "Runs started.", {{"type", run.type}}).increment();
    if (event.type != durable::EventType::run_completed && event.type != durable::EventType::run_failed &&
        event.type != durable::EventType::run_cancelled)
      continue;
    const std::string status = boost::describe::enum_to_string(state.status, "");
    registry_.counter("slipway_runs_ended_total", "Runs that ended.", {{"type", run.type}, {"status", status}})
        .increment();
    registry_
        .histogram("slipway_run_duration_seconds", "From a run's start to its end.", observe::latency_buckets(),
                   {{"type", run.type}, {"status", status}})
        .observe(double((event.at - run.started_at).count()) / 1'000.0);
    if (run.type == workflows::WorkspaceBuild::kType) count_build(registry_, run, event.type);
  }
}

}  // namespace slipway::app
