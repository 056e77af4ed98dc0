#pragma once
// The hub as a daemon sees it: the calls of RUN-2. Implemented over HTTP (http_hub_link.h), and by the simulation.
//
// Everything is for the event loop's thread: calls are made there and their replies come there, never within the call.
// A reply comes exactly once, unless the link is destroyed first. Failures are base::Error: transient and throttled
// ones may be tried again, JOB_LEASE_LOST and JOB_ENDED mean that the job is not ours any more, DAEMON_UNKNOWN that the
// daemon must register again, DAEMON_TOO_OLD and HUB_TOO_OLD that a program must be updated.

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "fleet/job_messages.h"

namespace slipway::runner {

template <class T>
using Reply = std::move_only_function<void(std::expected<T, base::Error>)>;

class HubLink {
 public:
  virtual ~HubLink() = default;

  virtual void register_daemon(fleet::RegisterDaemon daemon, Reply<fleet::DaemonRegistered> reply) = 0;
  // Waits at the hub for as long as it says.
  virtual void acquire(fleet::AcquireJob request, Reply<fleet::JobAcquired> reply) = 0;
  // Waits likewise; beside acquire.
  virtual void wait_for_cancels(fleet::WaitForCancels request, Reply<fleet::CancelledJobs> reply) = 0;
  // Of this daemon; best effort, so that what it held is taken back at once.
  virtual void say_goodbye(std::string daemon_id, Reply<void> reply) = 0;

  // Each gives up after `bound`, with a transient TIMEOUT.
  virtual void update(std::string job, fleet::JobUpdate update, base::Duration bound,
                      Reply<fleet::JobUpdated> reply) = 0;
  virtual void commit_quota(std::string job, fleet::CommitQuota request, Reply<fleet::QuotaCommitted> reply) = 0;
  virtual void complete(std::string job, fleet::CompletedJob outcome, Reply<fleet::JobEnded> reply) = 0;
  virtual void fail(std::string job, fleet::FailedJob outcome, Reply<fleet::JobEnded> reply) = 0;

  // Files, by path.
  virtual void get_blob(std::string hash, std::string file, Reply<void> reply) = 0;
  virtual void get_state(std::string job, std::int64_t fence, std::string file, Reply<void> reply) = 0;
  // Gives the SHA-256 (hex) of what was put.
  virtual void put_state(std::string job, std::int64_t fence, std::string file, Reply<std::string> reply) = 0;

  // For Config::state_backend.
  virtual std::string state_address(const std::string& job) const = 0;
};

}  // namespace slipway::runner
