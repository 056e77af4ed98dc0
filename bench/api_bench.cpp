// The hub's API, engine and store with machines that are never made: api_bench DATA listens on a free port, writes
// DATA/client.json like a hub does, and serves until SIGTERM. What is measured then is the accepting of workspaces, not
// the making of sandboxes.

#include <boost/asio/signal_set.hpp>
#include <condition_variable>
#include <filesystem>
#include <iostream>
#include <mutex>

#include "agent/hub.h"
#include "api/change_stream.h"
#include "api/dispatch.h"
#include "api/doorbell.h"
#include "api/job_bells.h"
#include "api/routes.h"
#include "app/first_key.h"
#include "durable/engine.h"
#include "durable/scheduler.h"
#include "fleet/audit_chain.h"
#include "fleet/run_changes.h"
#include "fleet/sealer.h"
#include "net/event_loop.h"
#include "net/server.h"
#include "notify/webhook_deliverer.h"
#include "workflows/workspace_create.h"

namespace slipway::bench {

namespace {

// Its machines take for ever: a few runs wait in `create`, all others for a worker.
class SlowProvider final : public providers::Provider {
 public:
  std::string_view name() const override { return "sandbox"; }
  std::vector<providers::MachineType> machine_types() const override { return {{"small", 1, 1024, 512}}; }
  std::string default_zone() const override { return "local"; }
  void validate(const providers::MachineSpec&) const override {}
  void create(const providers::MachineSpec&, std::stop_token stop) override {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait(lock, stop, [] { return false; });
  }
  void start(const providers::MachineSpec&, std::stop_token) override {}
  void stop(const std::string&, std::stop_token) override {}
  void suspend(const std::string&, std::stop_token) override {}
  void destroy(const std::string&, std::stop_token) override {}
  providers::MachineStatus status(const std::string&) const override { return {}; }
  std::vector<Listed> list() const override { return {}; }
};

// The wiring of app/hub_process.cpp without what makes, reaches and watches machines.
struct Api {
  explicit Api(const std::filesystem::path& folder) : data(folder) {
    fleet::keep_audit(*database, fleet::AuditChain(sealer));
    providers.add(std::make_unique<SlowProvider>());
    services.hub_urls["sandbox"] = "unix:/none";
    engine.add(durable::make_workflow<workflows::WorkspaceRequest, void>(
        std::make_shared<const workflows::WorkspaceCreate>(services)));
    engine.set_witness(run_changes);
    engine.observe([this](const durable::RunRecord& run, const durable::RunState&, const std::vector<durable::Event>&) {
      run_bell.ring(run.id.str());
      changes.look();
    });
  }

  const std::filesystem::path data;
  base::SystemClock clock;
  base::SystemRandom random;
  base::IdGenerator ids{clock, random};
  observe::Logger log{{.level = observe::Level::error, .format = observe::LogFormat::text, .file = {}}, clock};
  observe::Registry metrics;
  std::unique_ptr<store::Database> database = store::open((data / "slipway.db").string());
  fleet::Sealer sealer = fleet::Sealer::open(data / "seal.key");
  net::IoContext io{1};
  net::AsioLoop loop{io, clock};
  net::WorkerPool workers{4};
  net::TaskGroup tasks{io, [](std::exception_ptr) { std::terminate(); }};
  fleet::RunChangeRecorder run_changes;
  api::Doorbell run_bell{io};
  api::JobBells job_bells{io, *database};
  api::ChangeStream changes{io, *database, log};
  durable::Engine engine{*database, loop, workers, clock, random, ids, {.lease = {.name = "bench", .sole = true}}};
  durable::Scheduler scheduler{*database, loop, clock, ids, engine};
  workflows::AgentPresence presence{[](const base::RunId&) {}};
  providers::Registry providers;
  workflows::Services services{*database, providers, sealer, presence, clock, {}, [](const base::RunId&) {}};
  // Never run: nothing here asks for webhooks.
  notify::WebhookDeliverer webhooks{
      io, *database, sealer, clock, random, ids, metrics, log, [](net::ClientRequest, net::HttpClient::Callback) {}};
  agent::AgentHub agents{io, clock, {}};
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
               .keys_in_progress = {},
               .metrics = metrics,
               .log = log,
               .open_metrics = false,
               .version = "bench"};
  api::Router router = api::all_routes();
  api::Dispatcher dispatcher{hub, router, nullptr};
  net::Server server{
      io, {}, [this](net::Exchange& exchange) { return dispatcher.handle(exchange); }, dispatcher.hooks()};
};

}  // namespace

void serve(const std::filesystem::path& data) {
  Api api(data);
  const auto port = api.server.listen_tcp("127.0.0.1", 0);
  const auto file = data / "client.json";
  app::write_client_file(file, "http://127.0.0.1:" + std::to_string(port),
                         app::ensure_admin_key(*api.database, api.ids, api.clock, file));
  api.tasks.spawn(api.changes.run());
  api.engine.join([](std::exception_ptr) {});
  // As the hub does, it ends as if it were killed.
  boost::asio::signal_set signals(api.io, SIGTERM, SIGINT);
  signals.async_wait([](const boost::system::error_code&, int) { std::_Exit(0); });
  std::cout << "serving" << std::endl;
  api.io.run();
}

}  // namespace slipway::bench

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "Usage: api_bench DATA\n";
    return 2;
  }
  slipway::bench::serve(argv[1]);
  return 0;
}
