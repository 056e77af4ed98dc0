#pragma once
// One daemon's way to the simulated hub, which loses, delays and doubles what it carries, and may be cut. It knows what
// the daemon has been told, and holds what the daemon does next against that.

#include <functional>
#include <memory>
#include <string>

#include "runner/testing/simulated_session.h"

namespace slipway::runner::testing {

// One daemon's way to the hub. Lives as long as its process.
class SimulatedLink final : public HubLink {
 public:
  // `machine`: its number among all that were ever booted.
  SimulatedLink(SimulatedWorld& world, SimulatedWorld::Process& process, SimulatedHub& hub, std::int64_t machine,
                const Surroundings& surroundings)
      : world_(world), process_(process), hub_(hub), machine_(machine), surroundings_(surroundings) {}

  void register_daemon(fleet::RegisterDaemon daemon, Reply<fleet::DaemonRegistered> reply) override;
  void acquire(fleet::AcquireJob request, Reply<fleet::JobAcquired> reply) override;
  void wait_for_cancels(fleet::WaitForCancels request, Reply<fleet::CancelledJobs> reply) override;
  void say_goodbye(std::string daemon_id, Reply<void> reply) override;
  void update(std::string job, fleet::JobUpdate update, base::Duration bound, Reply<fleet::JobUpdated> reply) override;
  void commit_quota(std::string job, fleet::CommitQuota request, Reply<fleet::QuotaCommitted> reply) override;
  void complete(std::string job, fleet::CompletedJob outcome, Reply<fleet::JobEnded> reply) override;
  void fail(std::string job, fleet::FailedJob outcome, Reply<fleet::JobEnded> reply) override;
  void get_blob(std::string hash, std::string file, Reply<void> reply) override;
  void get_state(std::string job, std::int64_t fence, std::string file, Reply<void> reply) override;
  void put_state(std::string job, std::int64_t fence, std::string file, Reply<std::string> reply) override;
  std::string state_address(const std::string& job) const override { return "sim:/" + job; }

  // The daemon's key is removed.
  void refuse() { refused_ = true; }

 private:
  template <class T>
  struct Call;
  template <class T>
  void call(base::Duration bound, Reply<T> reply, std::function<std::optional<T>()> handle, base::Duration wait = {},
            bool only_while_waited = false);
  template <class T>
  void arrive(std::shared_ptr<Call<T>> call, base::Instant until);

  SimulatedWorld& world_;
  SimulatedWorld::Process& process_;
  SimulatedHub& hub_;
  const std::int64_t machine_;
  std::string told_id_;  // what the daemon takes itself for
  const Surroundings& surroundings_;
  bool refused_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace slipway::runner::testing
