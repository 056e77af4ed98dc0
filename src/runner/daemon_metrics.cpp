#include "runner/daemon_metrics.h"

#include "observe/metrics.h"

namespace slipway::runner {

namespace {

observe::Gauge jobs_current(observe::Registry& registry, const std::string& provisioner) {
  return registry.gauge("slipway_daemon_jobs_current", "Jobs that this daemon carries out.",
                        {{"provisioner", provisioner}});
}

}  // namespace

void DaemonMetrics::set_runners(std::size_t runners) {
  if (registry_) registry_->gauge("slipway_daemon_runners", "Jobs that it can carry out at once.").set(double(runners));
}

void DaemonMetrics::set_connected(bool connected) {
  if (registry_) registry_->gauge("slipway_daemon_registered", "1 while the hub knows this daemon.").set(connected);
}

void DaemonMetrics::archive_taken(const std::string& from) {
  if (registry_)
    registry_->counter("slipway_daemon_archives_total", "Archives of templates that jobs got.", {{"from", from}})
        .increment();
}

void DaemonMetrics::set_archive_bytes(std::uint64_t bytes) {
  if (registry_)
    registry_->gauge("slipway_daemon_archive_cache_bytes", "Of archives of templates that are kept here.")
        .set(double(bytes));
}

void DaemonMetrics::job_began(const std::string& provisioner) {
  if (registry_) jobs_current(*registry_, provisioner).add(1);
}

void DaemonMetrics::job_ended(const std::string& provisioner, const std::string& status, base::Duration took) {
  if (!registry_) return;
  jobs_current(*registry_, provisioner).add(-1);
  const std::vector<double> bounds{1, 10, 30, 60, 300, 600, 1'800, 3'600};
  registry_
      ->histogram("slipway_daemon_job_seconds", "From a job's acquisition to its end.", bounds,
                  {{"provisioner", provisioner}, {"status", status}})
      .observe(double(took.count()) / 1'000);
}

}  // namespace slipway::runner
