#pragma once
// The line in which jobs wait for daemons, and the leases under which daemons hold them (RUN-3, RUN-4, RUN-5, RUN-15).
//
// Order: class, turn, age. Owners take turns by start-time fair queueing: a job's turn is given when it comes, after
// those of its owner's that wait, and not before the turn that was reached. Takes are made one after another, under the
// lock of provisioner_job_turns, so that no cap is passed by two at once.
//
// A job whose daemon is silent for longer than its lease is *lost*. Before it applied anything it waits anew at once.
// From `apply` on its old holder is shut out of all but the state: while Terraform still has the state's lock, it is
// given kSalvageTime to write its last state and end; then the job begins anew from that state, or fails and keeps it.

#include <optional>
#include <string>
#include <vector>

#include "fleet/daemon.h"
#include "fleet/job.h"

namespace slipway::fleet {

// The channel of bells about jobs, and what is rung there: a job may be taken; a cancel was asked for; a job has ended,
// and its run has mail; or a job's id: it has moved, or has new lines.
inline constexpr std::string_view kJobBell = "provisioner_jobs";
inline constexpr std::string_view kBellQueue = "queue";
inline constexpr std::string_view kBellCancels = "cancels";
inline constexpr std::string_view kBellEnds = "ends";

inline constexpr base::Duration kLease = std::chrono::seconds(15);
inline constexpr base::Duration kSalvageTime = std::chrono::seconds(60);
inline constexpr base::Duration kSalvageMax = std::chrono::minutes(30);  // however often it says that it lives
inline constexpr base::Duration kBackOff = std::chrono::seconds(2);  // before the second attempt; then four times that
inline constexpr base::Duration kBackOffMax = std::chrono::minutes(5);
inline constexpr base::Duration kJobsKept = std::chrono::hours(30 * 24);  // since their end

struct QueueLimits {
  std::int64_t per_owner = 0;  // jobs of one owner at once; 0: no limit
  base::Duration lease = kLease;
};

// ---- taking

// Whether there may be something for this daemon: a cheap look before the transaction of take_job.
bool may_take(store::Transaction& tx, const Daemon& daemon, Instant now);
// The first in line that the daemon can do and that no cap keeps back. With a token under which this daemon was given a
// job that it still holds: that job again.
std::optional<Job> take_job(store::Transaction& tx, const Daemon& daemon, const std::string& token,
                            const QueueLimits& limits, Instant now);

// ---- holding

// The job, locked, if it is held under this fence and key. Throws NOT_FOUND, JOB_LEASE_LOST, JOB_ENDED (conflict).
Job held_job(store::Transaction& tx, const JobId& id, std::int64_t fence, const DaemonKeyId& key);
// Its daemon lives and is so far.
void renew_lease(store::Transaction& tx, Job& job, const JobUpdate& update, const QueueLimits& limits, Instant now);
// Of this daemon's, those to be cancelled; ids in order.
std::vector<std::string> cancelled_jobs(store::Transaction& tx, const DaemonId& daemon, const DaemonKeyId& key);

// ---- ending (job_end.cpp)

// What became of it: how the job stands now; and the job, unless this was said before.
struct Reported {
  JobStatus status = JobStatus::succeeded;
  std::optional<Job> news;
};

// Saying the same again changes nothing and gives the same. Throws NOT_FOUND, JOB_LEASE_LOST,
// JOB_ENDED where it ended otherwise, STATE_MISMATCH, VALIDATION_ERROR. After the commit: ring the job's id, kBellEnds
// and kBellQueue.
Reported complete_job(store::Transaction& tx, const JobId& id, const DaemonKeyId& key, const CompletedJob& outcome,
                      Instant now);
// Transient and throttled failures wait for another attempt while there is one left and no cancel was asked for.
Reported fail_job(store::Transaction& tx, const JobId& id, const DaemonKeyId& key, const FailedJob& failed,
                  Instant now);
// Back into the line, under a fence that may be a new one.
void requeue(store::Transaction& tx, Job& job, const base::Error& error, Instant available_at, std::int64_t fence,
             Instant now);

// ---- those that nobody holds any more

// What became of jobs, for the log and for bells.
struct Swept {
  std::vector<Job> requeued, salvaging, ended;
  bool empty() const { return requeued.empty() && salvaging.empty() && ended.empty(); }
};
// Jobs whose lease is over, and those whose salvage is; at most `limit` of each. Those that another replica looks after
// at the moment are left to it.
Swept sweep_lost_jobs(store::Transaction& tx, Instant now, std::int64_t limit);
// What a lost daemon has left is still at work under the state's lock: it is waited for.
void extend_salvage(store::Transaction& tx, const JobId& id, Instant now);
// What a daemon that says goodbye holds is lost at once.
void release_jobs_of(store::Transaction& tx, const DaemonId& daemon, const DaemonKeyId& key, Instant now);
// Removes the oldest that ended before kJobsKept, with their logs; at most kRemovedAtOnce. Gives how many.
std::int64_t forget_jobs(store::Transaction& tx, Instant now);

}  // namespace slipway::fleet
