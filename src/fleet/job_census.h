#pragma once
// What waits and what is at work, in numbers; and jobs that no daemon could take, however long they wait.

#include <vector>

#include "fleet/job_queue.h"

namespace slipway::fleet {

struct JobCensus {
  struct AtWork {
    std::string provisioner;
    std::int64_t jobs = 0;
  };
  struct Waiting {
    JobPriority priority = JobPriority::person;
    std::int64_t jobs = 0;
    std::optional<Instant> oldest;  // since when it waits
  };
  struct Daemons {
    DaemonStatus status = DaemonStatus::online;
    std::int64_t count = 0;
  };
  std::vector<AtWork> at_work;
  std::vector<Waiting> waiting;  // of each class, also where none waits
  std::vector<Daemons> daemons;  // of each status
};
JobCensus take_job_census(store::Transaction& tx, Instant now);

// Jobs that ask for the same, and which no daemon that lives could take.
struct Unserved {
  std::string provisioner;
  std::string tags;  // JSON, as stored
  std::int64_t jobs = 0;
  Instant oldest;  // since when it waits

  std::string name() const;  // for people: terraform {"kind":"gpu"}
};
std::vector<Unserved> unserved_jobs(store::Transaction& tx, Instant now);
// Those of them that have waited since before `before` fail with NO_DAEMON, a dead letter; at most `limit`.
std::vector<Job> fail_unserved(store::Transaction& tx, const Unserved& unserved, Instant before, std::int64_t limit,
                               Instant now);

// Whether sweep_lost_jobs would find anything: a cheap look.
bool any_lost(store::Transaction& tx, Instant now);

}  // namespace slipway::fleet
