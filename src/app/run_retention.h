#pragma once
// Runs that ended long ago are written to an archive, if there is to be one, and then removed: oldest first, a few at a
// time, so that live ones do not feel it.

#include <filesystem>

#include "api/call.h"
#include "durable/retention.h"
#include "net/asio.h"

namespace slipway::app {

class RunRetention {
 public:
  // An empty `archive_folder`: none. Files there are runs-YYYY-MM.jsonl, one run a line (durable/retention.h). Several
  // hubs may share the folder; a run that was being removed when its hub died can stand there twice.
  RunRetention(api::Hub& hub, durable::RetentionPolicy policy, std::filesystem::path archive_folder)
      : hub_(hub), policy_(std::move(policy)), archive_folder_(std::move(archive_folder)) {}
  // Removes all that has outlived the policy, or as much as `stopped` allows.
  net::Awaitable<void> run(const bool& stopped);

 private:
  net::Awaitable<std::int64_t> remove_oldest(const std::string& type, durable::Instant until);

  api::Hub& hub_;
  const durable::RetentionPolicy policy_;
  const std::filesystem::path archive_folder_;
};

}  // namespace slipway::app
