#pragma once
// Why a job waits, which is never a riddle (RUN-4): what keeps it back, which daemons there are, and how many jobs are
// ahead of it.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fleet/job_queue.h"

namespace slipway::fleet {

enum class PendingReason {
  next,          // a daemon will have it any moment
  retry,         // it failed, and waits until it is tried again
  no_daemon,     // no daemon has its provisioner
  tags_missing,  // none of those that have it has the tags, too
  draining,      // those that could take it take nothing new
  owner_cap,     // its owner has as many at work as one may have
  template_cap,  // and so has its template
  all_busy,      // every daemon that could take it is at work
};
BOOST_DESCRIBE_ENUM(PendingReason, next, retry, no_daemon, tags_missing, draining, owner_cap, template_cap, all_busy)

// What a daemon has and lacks for the job.
struct DaemonFit {
  std::string name;
  DaemonStatus status = DaemonStatus::online;
  std::vector<std::string> provisioners;
  std::map<std::string, std::string> tags;
  std::map<std::string, std::string> missing_tags;
  bool has_provisioner = true;
  std::int64_t busy = 0;
  std::int64_t runners = 1;

  bool fits() const { return has_provisioner && missing_tags.empty(); }
};
SLIPWAY_JSON_CAMEL(DaemonFit, name, status, provisioners, tags, missing_tags, has_provisioner, busy, runners)

struct JobStanding {
  PendingReason reason = PendingReason::next;
  std::string explanation;                          // a sentence
  std::optional<Instant> until;                     // when that ends by itself
  std::int64_t ahead = 0;                           // jobs that go before it to the daemons that can do it
  std::map<std::string, std::string> missing_tags;  // of the daemon that lacks fewest
  std::vector<DaemonFit> daemons;                   // not offline; those that come nearest first
};
SLIPWAY_JSON_CAMEL(JobStanding, reason, explanation, until, ahead, missing_tags, daemons)
const json::Rules& json_rules(const JobStanding*);

// `job` is pending.
JobStanding standing_of(store::Transaction& tx, const Job& job, const QueueLimits& limits, Instant now);

// The same for several jobs: what they share, the daemons and the line, is looked at once. For the transaction `tx`.
class JobStandings {
 public:
  // `jobs` are those that will be asked about; only the pending ones among them matter.
  JobStandings(store::Transaction& tx, const std::vector<Job>& jobs, const QueueLimits& limits, Instant now);
  JobStanding of(const Job& job) const;

 private:
  store::Transaction& tx_;
  const QueueLimits& limits_;
  Instant now_;
  std::vector<Daemon> daemons_;
  std::map<std::string, std::int64_t> ahead_;  // by job
};
// Whether no daemon that lives could ever take it.
bool nobody_can_take(const JobStanding& standing);

}  // namespace slipway::fleet
