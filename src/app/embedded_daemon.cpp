#include "app/embedded_daemon.h"

#include <unistd.h>

#include <array>

#include "app/daemon_provisioners.h"
#include "app/version.h"

namespace slipway::app {
namespace {

// Replicas on one machine have ports of their own.
std::string name_of(const std::string& hub_url) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return "embedded " + std::string(host.data()) + hub_url.substr(hub_url.rfind(':'));
}

runner::HostOptions host_options(const EmbeddedDaemonOptions& options) {
  return {.hub = {.url = options.hub_url,
                  .key = options.key,
                  .user_agent = "slipway-embedded/" + std::string(kVersion),
                  .jobs = options.runners},
          .work = options.work.string(),
          .daemon = {.name = name_of(options.hub_url),
                     .version = std::string(kVersion),
                     .runners = options.runners,
                     .job = {.hub_url = options.public_url}},
          .force_bound = std::chrono::seconds(1)};
}

}  // namespace

EmbeddedDaemon::EmbeddedDaemon(const EmbeddedDaemonOptions& options, observe::Logger log, observe::Registry& metrics)
    : log_(std::move(log)), host_(host_options(options), daemon_provisioners({}), log_, &metrics) {
  thread_ = std::thread([this] {
    try {
      host_.run();
    } catch (const base::Error& error) {
      log_.error("the embedded provisioner daemon has ended", error);
    }
    ended_ = true;
  });
}

EmbeddedDaemon::~EmbeddedDaemon() {
  host_.force();
  thread_.join();
}

}  // namespace slipway::app
