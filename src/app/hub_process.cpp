#include "app/hub_process.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>

#include "agent/hub.h"
#include "api/change_stream.h"
#include "api/dispatch.h"
#include "api/doorbell.h"
#include "api/job_bells.h"
#include "api/routes.h"
#include "app/activity_recorder.h"
#include "app/alert_mailer.h"
#include "app/alert_watch.h"
#include "app/cloud.h"
#include "app/embedded_daemon.h"
#include "app/first_key.h"
#include "app/housekeeping.h"
#include "app/hub_metrics.h"
#include "app/job_sweeper.h"
#include "app/run_statistics.h"
#include "app/span_export.h"
#include "app/version.h"
#include "app/workstation_metrics.h"
#include "durable/engine.h"
#include "durable/scheduler.h"
#include "fleet/audit_chain.h"
#include "fleet/change_feed.h"
#include "fleet/daemon.h"
#include "fleet/run_changes.h"
#include "fleet/sealer.h"
#include "net/event_loop.h"
#include "net/http_client.h"
#include "net/server.h"
#include "notify/webhook_deliverer.h"
#include "providers/sandbox/sandbox_provider.h"
#include "web/files.h"
#include "workflows/forget_old.h"
#include "workflows/template_dry_run.h"
#include "workflows/template_import.h"
#include "workflows/workspace_build.h"
#include "workflows/workspace_create.h"
#include "workflows/workspace_delete.h"
#include "workflows/workspace_start.h"
#include "workflows/workspace_stop.h"

namespace slipway::app {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::size_t kWorkers = 4;
constexpr std::size_t kWorkersMax = 128;  // provider calls at once; each mostly waits
// Ten thousand live streams with users beside them; below the usual descriptor limit of 20,000.
constexpr std::size_t kConnectionsMax = 12'000;
constexpr base::Duration kDrainPatience = 7s;    // for requests in flight
constexpr base::Duration kJobPatience = 3s;      // for jobs in this process: what they leave is gone on with
constexpr base::Duration kAnswerPatience = 1s;   // for answers of webhooks: without one they are sent again
constexpr base::Duration kDrainBound = 9'500ms;  // then the process ends whatever still runs: nothing is lost by it

// Absolute, because machines outlive the folder from which the hub was started.
fs::path make_data_folder(const fs::path& data) {
  const auto folder = fs::absolute(data).lexically_normal();
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) throw base::system_error("making the data folder " + folder.string(), failure.value());
  fs::permissions(folder, fs::perms::owner_all, failure);
  if (failure) throw base::system_error("protecting the data folder " + folder.string(), failure.value());
  return folder;
}

fs::path find_agent(const fs::path& configured) {
  const auto path = configured.empty() ? fs::read_symlink("/proc/self/exe").parent_path() / "slipway-agent"
                                       : fs::absolute(configured);
  if (!fs::exists(path))
    throw base::Error(base::ErrorClass::user, "NO_AGENT_PROGRAM",
                      "there is no agent program at " + path.string() + "; name it with --agent");
  return path;
}

observe::Logger::Options log_options(const HubConfig& config) {
  return {.level = *observe::parse_level(config.log_level),
          .format = *observe::parse_log_format(config.log_format),
          .file = {}};
}

durable::EngineOptions engine_options(const store::Database& database, const fleet::Sealer& sealer) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  durable::EngineOptions options;
  options.sealer = &sealer;
  options.lease.name = std::string(host.data()) + ":" + std::to_string(::getpid());
  options.lease.sole = database.dialect() == store::Dialect::sqlite;  // its file lets nobody else in
  return options;
}

durable::RetentionPolicy retention_policy(const HubConfig& config) {
  return {.rule = {.keep = base::parse_duration(config.keep_runs).value_or(base::Duration(0)),
                   .newest_max = config.keep_runs_max},
          .of_type = {}};
}

notify::DelivererOptions webhook_options(const HubConfig& config, const store::Database& database,
                                         const api::ChangeStream& changes, fleet::RunChangeRecorder& run_changes) {
  const auto reach = config.webhook_allow_private ? net::Reach::with_private : net::Reach::public_only;
  return {.guard = std::make_shared<const net::AddressGuard>(reach, config.webhook_allow),
          .user_agent = "Slipway-Webhooks/" + std::string(kVersion),
          .sole = database.dialect() == store::Dialect::sqlite,
          .settled = [&changes] { return changes.position(); },
          .on_steps_wanted = [&run_changes](bool wanted) { run_changes.want_steps(wanted); }};
}

providers::sandbox::Network sandbox_network(const std::string& name) {
  using providers::sandbox::Network;
  if (name == "isolated") return Network::isolated;
  if (name == "host") return Network::host;
  if (name == "none") return Network::none;
  return Network::automatic;
}

api::DispatchOptions dispatch_options(const HubConfig& config) {
  const auto rate = parse_rate(config.rate_limit).value_or(Rate{});
  return {.rate = {.quota = rate.count, .window = rate.period}, .cors = api::Cors(config.cors_origins)};
}

net::StaticOptions page_options() {
  net::StaticOptions options;
  options.headers.set("Content-Security-Policy", web::kContentSecurityPolicy);
  options.headers.set("X-Content-Type-Options", "nosniff");
  options.headers.set("Referrer-Policy", "no-referrer");
  return options;
}

}  // namespace

struct HubProcess::Impl {
  explicit Impl(const HubConfig& given);

  void keep_audit();
  std::unique_ptr<Cloud> make_cloud();
  void add_providers();
  void add_workflows();
  void add_schedules();
  agent::HubEvents agent_events();
  void listen();
  void start_daemon(const std::string& public_url, const std::string& host, std::uint16_t port);
  void join();
  void on_signal(int signal);
  net::Awaitable<void> drain();
  net::Awaitable<void> drain_agents();
  net::Awaitable<void> drain_daemon();
  void end_anyway_after(base::Duration bound);

  const HubConfig config;
  const fs::path data = make_data_folder(config.data);
  base::SystemClock clock;
  base::SystemRandom random;
  base::IdGenerator ids{clock, random};
  observe::Logger log{log_options(config), clock};
  observe::Registry metrics;
  std::unique_ptr<store::Database> database =
      store::open(config.database.empty() ? (data / "slipway.db").string() : config.database);
  fleet::Sealer sealer = fleet::Sealer::open(data / "seal.key");

  net::IoContext io{1};
  net::AsioLoop loop{io, clock};
  net::WorkerPool workers{kWorkers, kWorkersMax};
  net::TaskGroup tasks{
      io, [this](std::exception_ptr failure) { log.error("a background task failed", base::as_error(failure)); }};

  fleet::RunChangeRecorder run_changes;
  api::Doorbell run_bell{io};
  api::JobBells job_bells{io, *database};
  api::ChangeStream changes{io, *database, log};
  durable::Engine engine{*database, loop, workers, clock, random, ids, engine_options(*database, sealer)};
  durable::Scheduler scheduler{*database, loop, clock, ids, engine};
  workflows::AgentPresence presence{[this](const base::RunId& run) { engine.poke(run); }};
  providers::Registry providers;
  workflows::Services services{
      *database, providers, sealer, presence, clock, {}, [this](const base::RunId& run) {
        loop.post([this, run] { engine.cancel(run, "workspace.delete", [](std::exception_ptr) {}); });
      }};
  std::unique_ptr<Cloud> cloud = make_cloud();
  ActivityRecorder activity{*database, loop, clock};
  net::HttpClient webhook_client;  // of its own: see ClientRequest::guard
  notify::WebhookDeliverer webhooks{io,
                                    *database,
                                    sealer,
                                    clock,
                                    random,
                                    ids,
                                    metrics,
                                    log,
                                    [this](net::ClientRequest request, net::HttpClient::Callback callback) {
                                      webhook_client.send(std::move(request), std::move(callback));
                                    },
                                    webhook_options(config, *database, changes, run_changes)};
  agent::AgentHub agents{io, clock, agent_events()};
  api::Hub hub{.io = io,
               .database = *database,
               .engine = engine,
               .scheduler = scheduler,
               .workflows = services,
               .agents = agents,
               .workers = workers,
               .clock = clock,
               .ids = ids,
               .sealer = sealer,
               .changes = changes,
               .run_bell = run_bell,
               .job_bells = job_bells,
               .webhooks = webhooks,
               .workstations = cloud ? &cloud->services() : nullptr,
               .keys_in_progress = {},
               .key_cache = {},
               .daemon_key_cache = {},
               .metrics = metrics,
               .log = log,
               .intake = cloud ? &cloud->intake() : nullptr,
               .push = cloud ? cloud->push() : nullptr,
               .queue_limits = {.per_owner = config.jobs_per_owner},
               .open_metrics = config.open_metrics,
               .version = std::string(kVersion)};
  api::Router router = api::all_routes();
  net::StaticFiles pages{web::files(), page_options()};
  api::Dispatcher dispatcher{hub, router, &pages, dispatch_options(config)};
  net::Server server{io,
                     {.connections = kConnectionsMax},
                     [this](net::Exchange& exchange) { return dispatcher.handle(exchange); },
                     dispatcher.hooks()};
  // A server of its own, so that nothing inside a sandbox can use up the connections of users.
  net::Server agent_server{
      io, {}, [this](net::Exchange& exchange) { return dispatcher.handle(exchange); }, dispatcher.hooks()};
  HubMetrics hub_metrics{metrics, engine, scheduler, *database, server, agents};
  Housekeeping housekeeping{hub, RunRetention(hub, retention_policy(config), config.archive_runs)};
  SpanExport spans{io, metrics, log};
  RunStatistics run_statistics{hub};
  std::optional<WorkstationMetrics> workstation_metrics;  // of a hub with a cloud
  std::optional<AlertMailer> alert_mailer;                // where its file says to whom
  AlertWatch alert_watch{hub};
  JobSweeper job_sweeper{hub,
                         {.pending_max = base::parse_duration(config.jobs_pending_max).value_or(base::Duration(0))}};
  std::optional<EmbeddedDaemon> daemon;
  boost::asio::signal_set signals{io, SIGTERM, SIGINT};
};

HubProcess::Impl::Impl(const HubConfig& given) : config(given) {
  database->read_and_wait(fleet::require_feed_support);
  keep_audit();
  add_providers();
  add_workflows();
  add_schedules();
  if (cloud) workstation_metrics.emplace(io, metrics, cloud->services().tiers, clock);
  hub.spans = spans.exporter();
  engine.set_witness(run_changes);
  job_bells.on_end([this] { engine.look_for_inputs(); });
  engine.on_notice([this](const std::string& text) { log.warning(text); });
  engine.observe(
      [this](const durable::RunRecord& run, const durable::RunState& state, const std::vector<durable::Event>& events) {
        run_bell.ring(run.id.str());
        changes.look();
        webhooks.look();
        hub_metrics.count(run, state, events);
        spans.count(run, state);
        if (workstation_metrics) workstation_metrics->count(run, state, events);
        for (const auto& event : events) {
          if (event.type == durable::EventType::run_failed && state.failure)
            log.warning("a run failed", {{"run", run.id},
                                         {"type", run.type},
                                         {"code", state.failure->code},
                                         {"step", state.failed_step},
                                         {"message", state.failure->message}});
          if (event.type == durable::EventType::compensation_failed)
            log.error("something could not be undone and needs a person", {{"run", run.id}, {"step", event.step}});
        }
      });
}

// The head of its chain is the last lock of a group: this has to stay the last ending.
void HubProcess::Impl::keep_audit() {
  const auto tell = [this, told = std::make_shared<std::atomic<bool>>()] {
    if (!told->exchange(true))
      log.error("somebody else has changed the audit log, or the key is another one: run 'slipway audit verify'", {});
  };
  fleet::keep_audit(*database, fleet::AuditChain(sealer, tell));
  fleet::chain_old_entries(*database);
}

std::unique_ptr<Cloud> HubProcess::Impl::make_cloud() {
  if (config.cloud.empty()) return nullptr;
  const auto poke = [this](const base::RunId& run) { loop.post([this, run] { engine.poke(run); }); };
  return std::make_unique<Cloud>(read_cloud_config(config.cloud),
                                 CloudNeeds{*database, engine, loop, ids, sealer, clock, random, metrics, log, poke});
}

void HubProcess::Impl::add_providers() {
  providers::sandbox::SandboxOptions options;
  options.root_dir = data / "sandboxes";
  options.agent_binary = find_agent(config.agent);
  hub.agent_program = options.agent_binary.string();
  options.network = sandbox_network(config.sandbox_network);
  providers.add(std::make_unique<providers::sandbox::SandboxProvider>(options, clock));
  services.hub_urls["sandbox"] = "unix:" + (data / "agent" / "hub.sock").string();
}

void HubProcess::Impl::add_workflows() {
  const auto add = [this]<class Body>(std::shared_ptr<const Body> body) {
    engine.add(durable::make_workflow<workflows::WorkspaceRequest, void>(std::move(body)));
  };
  add(std::make_shared<const workflows::WorkspaceCreate>(services));
  add(std::make_shared<const workflows::WorkspaceStart>(services));
  add(std::make_shared<const workflows::WorkspaceStop>(services));
  add(std::make_shared<const workflows::WorkspaceDelete>(services));
  engine.add(durable::make_workflow<workflows::ForgetRequest, workflows::Forgotten>(
      std::make_shared<const workflows::ForgetOld>(services)));
  engine.add(durable::make_workflow<workflows::TemplateImportRequest, void>(
      std::make_shared<const workflows::TemplateImport>(services)));
  engine.add(durable::make_workflow<workflows::TemplateDryRunRequest, void>(
      std::make_shared<const workflows::TemplateDryRun>(services)));
  engine.add(durable::make_workflow<workflows::WorkspaceBuildRequest, void>(
      std::make_shared<const workflows::WorkspaceBuild>(services)));
  if (cloud) cloud->add_workflows(engine);
}

// What the hub does by the calendar: once, however many replicas there are.
void HubProcess::Impl::add_schedules() {
  scheduler.declare({.name = std::string(workflows::ForgetOld::kType),
                     .type = std::string(workflows::ForgetOld::kType),
                     .cron = "every 1h",
                     .jitter_ms = 10min,
                     .catch_up_ms = 2h});
  if (cloud) cloud->add_schedules(scheduler);
  scheduler.on_trouble(
      [this](durable::Scheduler::TroubleKind kind, const std::string& schedule, const std::string& what) {
        log.warning("trouble with a schedule",
                    {{"schedule", schedule}, {"kind", boost::describe::enum_to_string(kind, "")}, {"what", what}});
      });
}

agent::HubEvents HubProcess::Impl::agent_events() {
  return {
      .on_ready = [this](const base::WorkspaceId& workspace, const agent::Hello&) { presence.set_ready(workspace); },
      .on_activity =
          [this](const base::WorkspaceId& workspace, agent::SessionKind kind, base::Instant at) {
            activity.note(workspace, {boost::describe::enum_to_string(kind, ""), at});
          },
      .on_disconnect = [this](const base::WorkspaceId& workspace) { presence.set_gone(workspace); }};
}

void HubProcess::Impl::listen() {
  fs::create_directories(data / "agent");
  fs::permissions(data / "agent", fs::perms::owner_all);
  agent_server.listen_unix((data / "agent" / "hub.sock").string());
  std::optional<net::TlsFiles> tls;
  if (!config.tls_certificate.empty()) tls = net::TlsFiles{config.tls_certificate, config.tls_key};
  const auto port = server.listen_tcp(config.address, std::uint16_t(config.port), tls);
  const bool any = config.address == "0.0.0.0" || config.address == "::";
  const std::string host = any                                             ? "127.0.0.1"
                           : config.address.find(':') != std::string::npos ? "[" + config.address + "]"
                                                                           : config.address;
  const auto url = config.public_url.empty()
                       ? std::string(tls ? "https" : "http") + "://" + host + ":" + std::to_string(port)
                       : config.public_url;
  const auto client_file = data / "client.json";
  if (cloud && cloud->mail() != nullptr && !cloud->config().mail.alerts_to.empty())
    alert_mailer.emplace(hub, *cloud->mail(), cloud->config().mail.alerts_to, url);
  write_client_file(client_file, url, ensure_admin_key(*database, ids, clock, client_file));
  start_daemon(url, host, port);
  log.info("serving", {{"url", url}, {"data", data.string()}, {"version", kVersion}});
}

// It speaks to this process alone: without TLS, whatever others need.
void HubProcess::Impl::start_daemon(const std::string& public_url, const std::string& host, std::uint16_t port) {
  if (config.embedded_runners == 0) return;
  auto own = "http://" + host + ":" + std::to_string(port);
  if (!config.tls_certificate.empty()) own = "http://127.0.0.1:" + std::to_string(server.listen_tcp("127.0.0.1", 0));
  try {
    daemon.emplace(EmbeddedDaemonOptions{.hub_url = own,
                                         .public_url = public_url,
                                         .key = fleet::embedded_daemon_key(sealer),
                                         .work = data / "provisionerd",
                                         .runners = config.embedded_runners},
                   log.with({{"daemon", "embedded"}}), metrics);
  } catch (const base::Error& error) {
    log.error("there is no embedded provisioner daemon", error);
  }
}

void HubProcess::Impl::join() {
  engine.join([this](std::exception_ptr failure) {
    if (!failure) {
      log.info("joined", {{"replica", engine.replica()}});
      scheduler.start();
      if (cloud) cloud->start_pulling();
      return;
    }
    log.warning("no lease yet, and it is tried again", {{"error", base::as_error(failure).what()}});
    loop.post_at(clock.now() + 1s, [this] { join(); });
  });
}

void HubProcess::Impl::on_signal(int signal) {
  log.info("draining", {{"signal", ::strsignal(signal)}});
  end_anyway_after(kDrainBound);
  tasks.spawn(drain());
}

// Users' requests and machines' agents end side by side; agents call again by themselves. Work in steps is told to
// stop, and goes on at the next start.
net::Awaitable<void> HubProcess::Impl::drain() {
  scheduler.stop();
  engine.shut_down();
  housekeeping.stop();
  run_statistics.stop();
  spans.stop();
  if (workstation_metrics) workstation_metrics->stop();
  alert_watch.stop();
  job_sweeper.stop();
  if (alert_mailer) alert_mailer->stop();
  changes.stop();
  webhooks.stop();
  hub.draining = true;
  run_bell.ring_all();
  job_bells.ring_all();
  tasks.spawn(drain_agents());
  if (cloud) co_await net::run_blocking(io, workers, [this] { cloud->stop_pulling(); });
  co_await drain_daemon();
  co_await server.drain(kDrainPatience);
  while (engine.statistics().attempts_under_way > 0) co_await net::sleep_for(10ms);
  for (auto left = kAnswerPatience; left.count() > 0 && webhooks.sending() > 0; left -= 10ms)
    co_await net::sleep_for(10ms);
  bool left = false;
  engine.leave([&left](std::exception_ptr) { left = true; });
  while (!left) co_await net::sleep_for(10ms);
  io.stop();
}

net::Awaitable<void> HubProcess::Impl::drain_agents() {
  co_await agents.stop();
  co_await agent_server.drain(kDrainPatience);
}

// While it can still be told how they end.
net::Awaitable<void> HubProcess::Impl::drain_daemon() {
  if (!daemon) co_return;
  daemon->stop();
  for (auto left = kJobPatience; left.count() > 0 && !daemon->has_ended(); left -= 10ms) co_await net::sleep_for(10ms);
  if (!daemon->has_ended()) daemon->force();
}

void HubProcess::Impl::end_anyway_after(base::Duration bound) {
  std::thread([bound] {
    std::this_thread::sleep_for(bound);
    std::_Exit(0);  // every promise was kept before it was given: there is nothing to save
  }).detach();
}

HubProcess::HubProcess(const HubConfig& config) : impl_(std::make_unique<Impl>(config)) {}
HubProcess::~HubProcess() = default;

void HubProcess::run() {
  std::signal(SIGPIPE, SIG_IGN);
  impl_->signals.async_wait([this](const boost::system::error_code& failure, int signal) {
    if (!failure) impl_->on_signal(signal);
  });
  impl_->listen();
  impl_->tasks.spawn(impl_->changes.run());
  impl_->tasks.spawn(impl_->webhooks.run());
  impl_->tasks.spawn(impl_->housekeeping.run());
  impl_->tasks.spawn(impl_->run_statistics.run());
  impl_->tasks.spawn(impl_->spans.run());
  if (impl_->workstation_metrics) impl_->tasks.spawn(impl_->workstation_metrics->run(impl_->hub));
  impl_->tasks.spawn(impl_->alert_watch.run());
  impl_->tasks.spawn(impl_->job_sweeper.run());
  if (impl_->alert_mailer) impl_->tasks.spawn(impl_->alert_mailer->run());
  // Else steps that end before the webhooks' first look would be told to nobody.
  impl_->database->read_and_wait(
      [this](store::Transaction& tx) { impl_->run_changes.want_steps(fleet::any_webhook_wants_steps(tx)); });
  impl_->join();
  impl_->io.run();
  impl_->log.info("stopped", {});
  impl_->log.flush();
  // A hub ends as if it were killed, and starts as if it had been: nothing is taken apart while workers and the store's
  // threads may still use it, and there is one way to end, which the tests try all the time.
  std::_Exit(0);
}

}  // namespace slipway::app
