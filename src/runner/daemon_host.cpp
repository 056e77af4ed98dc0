#include "runner/daemon_host.h"

#include <boost/asio/executor_work_guard.hpp>

#include "net/event_loop.h"
#include "runner/loop_timer.h"
#include "runner/on_worker.h"
#include "runner/work_folder.h"

namespace slipway::runner {

namespace {

// Of each job at most one piece of blocking work is under way, and most last for milliseconds.
constexpr std::size_t kWorkers = 2;

// So long what a killed daemon has left may lie there after its end.
constexpr std::chrono::seconds kLookForEndedEvery{10};

Provisioners require_usable(const Provisioners& all, const observe::Logger& logger) {
  auto usable = usable_provisioners(all, logger);
  if (usable.empty())
    throw base::Error(base::ErrorClass::user, "NO_PROVISIONER",
                      "none of the provisioners works on this machine: see the lines above");
  return usable;
}

DaemonOptions completed(const HostOptions& options, const WorkFolder& folder) {
  auto daemon = options.daemon;
  daemon.work_directory = folder.path();
  if (daemon.job.hub_url.empty()) daemon.job.hub_url = options.hub.url;
  daemon.job.hub_ca_file = options.hub.ca_file;
  return daemon;
}

}  // namespace

struct DaemonHost::Impl {
  Impl(HostOptions options, const Provisioners& provisioners, observe::Logger logger, observe::Registry* metrics)
      : force_bound(options.force_bound),
        logger(std::move(logger)),
        folder(options.work),
        hub(options.hub, loop, workers),
        archives(loop, workers, hub, {.folder = folder.path() + "/archives", .bytes_max = options.archive_bytes_max},
                 this->logger, metrics),
        daemon(
            RunnerTools{.loop = loop,
                        .workers = workers,
                        .clock = clock,
                        .random = random,
                        .hub = hub,
                        .archives = archives,
                        .files = files,
                        .logger = this->logger},
            require_usable(provisioners, this->logger), completed(options, folder),
            [this](std::optional<base::Error> why) {
              failure = std::move(why);
              io.stop();
            },
            metrics) {
    if (folder.sessions_left() > 0)
      this->logger.info("sessions of an earlier daemon are still at work, or cannot be removed: they are left alone",
                        {{"sessions", folder.sessions_left()}, {"folder", folder.path()}});
  }

  // Until all are gone.
  void look_after_sessions_left() {
    if (folder.sessions_left() == 0) return;
    look_again.set(kLookForEndedEvery, [this] {
      run_on_worker(
          workers, loop, [this] { folder.remove_ended_sessions(); },
          [this](const auto&) { look_after_sessions_left(); });
    });
  }

  const base::Duration force_bound;
  const observe::Logger logger;
  base::SystemClock clock;
  base::SystemRandom random;
  ArchivedTemplateFiles files;
  WorkFolder folder;
  net::IoContext io{1};
  net::AsioLoop loop{io, clock};
  net::WorkerPool workers{kWorkers};
  std::optional<base::Error> failure;
  HttpHubLink hub;
  ArchiveCache archives;
  Daemon daemon;
  LoopTimer look_again{loop, clock};
};

DaemonHost::DaemonHost(HostOptions options, const Provisioners& provisioners, observe::Logger logger,
                       observe::Registry* metrics)
    : impl_(std::make_unique<Impl>(std::move(options), provisioners, std::move(logger), metrics)) {}

DaemonHost::~DaemonHost() = default;

void DaemonHost::run() {
  const boost::asio::executor_work_guard<net::Executor> guard(impl_->io.get_executor());
  impl_->loop.post([this] {
    impl_->look_after_sessions_left();
    impl_->daemon.start();
  });
  impl_->io.run();
  if (impl_->failure) throw *impl_->failure;
}

void DaemonHost::drain() {
  impl_->loop.post([this] { impl_->daemon.drain(); });
}

void DaemonHost::cancel() {
  impl_->loop.post([this] { impl_->daemon.cancel(); });
}

void DaemonHost::force() {
  impl_->loop.post([this] { impl_->daemon.force(impl_->force_bound); });
}

}  // namespace slipway::runner
