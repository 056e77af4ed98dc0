#pragma once
// A hub for the simulation: one queue of jobs with leases, fences, logs, states and cancels; daemons reach it by a
// SimulatedLink. What it sees is held against the promises of runners at once.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "durable/testing/simulated_world.h"
#include "runner/hub_link.h"

namespace slipway::runner::testing {

using durable::testing::SimulatedWorld;

struct LinkFaults {
  double request_lost = 0;
  double answer_lost = 0;
  double doubled = 0;
  double slow = 0;  // of either way, up to 40 s
  base::Duration delay_max{20};
};

// What the sessions said, for comparison: by job and fence.
struct Witnessed {
  std::int64_t lines = 0;  // of the provisioner, handed to the runner
  std::string state;       // the last that was said
  std::string kept;        // the last that the hub has got
  bool opened = false, closed = false;
  bool ends = false;  // it was asked to, gently
  bool killed = false;
  bool succeeded = false;  // its apply
  bool busy = false;       // a request is under way
  bool cancel_told = false;
  bool state_missed = false;  // one that was said could not be read
  bool locks_state = false;
  bool applies = false;    // and what it makes is in no state yet, or may not be
  bool cut_off = false;    // it ended while it did
  bool lost_told = false;  // the daemon has heard that the job is not its own any more
};

class SimulatedHub {
 public:
  struct Job {
    fleet::AcquiredJob job;
    enum class Status { pending, running, ended } status = Status::pending;
    std::string holder, token;
    base::Instant lease_until, available_at;
    fleet::JobPhase phase = fleet::JobPhase::setup;
    bool repeatable = false;
    std::vector<fleet::LogLine> lines;
    std::map<std::int64_t, std::int64_t> provisioner_lines;  // by fence
    std::set<std::int64_t> cleaned_up;                       // fences that have logged it
    std::string state;
    std::optional<fleet::JobStatus> outcome;
    std::string code;
    std::int64_t ended_fence = 0;
    bool ended_by_complete = false;
    int accepted = 0;
    std::optional<std::int64_t> locked_by;       // the fence of who has the state's lock
    std::optional<base::Instant> salvage_until;  // of a lost daemon, what has the lock still may end
    std::int64_t things = 0;                     // that were made under the lock, whoever knows of them
  };

  explicit SimulatedHub(SimulatedWorld& world);

  void add(fleet::AcquiredJob job, base::Instant available_at);
  void cancel(const std::string& job);
  void set_down(bool down);
  void fail_quota_of(std::string job) { broke_.insert(std::move(job)); }
  // All daemons are unknown from now on; what they hold, they hold.
  void forget_daemons();
  // From now on nothing may be granted to daemons of this name, until a new one is started.
  void note_stopped(const std::string& name) { stopped_.insert(name); }
  void note_started(const std::string& name) { stopped_.erase(name); }

  std::map<std::string, Job>& jobs() { return jobs_; }
  bool all_ended() const;
  Witnessed& witnessed(const std::string& job, std::int64_t fence) { return witnessed_[{job, fence}]; }
  void violation(const std::string& what);
  const std::string& violations() const { return violations_; }

  fleet::DaemonRegistered times;  // what it tells daemons
  LinkFaults faults;
  std::function<void(std::int64_t machine)> on_next_grant;  // as soon as the answer leaves
  std::int64_t calls = 0, leases_lost = 0, salvages = 0, salvaged = 0, requeued = 0, registrations = 0, forgotten = 0;
  // Where a daemon's calls arrive; each throws base::Error. `machine`: one life of one, whatever it says that it is.
  fleet::DaemonRegistered register_daemon(const fleet::RegisterDaemon&, std::int64_t machine);
  std::optional<fleet::AcquiredJob> acquire(const fleet::AcquireJob& request);
  std::vector<std::string> cancelled_of(const std::string& daemon);
  void goodbye(const std::string& daemon);
  fleet::JobUpdated update(const std::string& job, const fleet::JobUpdate& update);
  fleet::QuotaCommitted commit_quota(const std::string& job, const fleet::CommitQuota& request);
  fleet::JobEnded complete(const std::string& job, const fleet::CompletedJob& outcome);
  fleet::JobEnded fail(const std::string& job, const fleet::FailedJob& outcome);
  std::string get_state(const std::string& job, std::int64_t fence);
  std::string put_state(const std::string& job, std::int64_t fence, std::string state);
  // Of sessions: the state is theirs while the job is, and then for as long as they have its lock (RUN-12). What is
  // theirs no more is refused, but for letting go.
  void lock_state(const std::string& job, std::int64_t fence);
  void write_state(const std::string& job, std::int64_t fence, std::string state);
  void unlock_state(const std::string& job, std::int64_t fence);
  bool is_down() const { return down_; }
  base::Duration travel();  // of one message, either way
  bool knows(const std::string& daemon) const;

  // What a runner sends, in its order: nothing may follow the terminal message, or the news that the job is lost.
  void note_sent(const std::string& job, std::int64_t fence, bool terminal);
  // A runner has heard that its job is not its own any more.
  void note_lost_told(const std::string& job, std::int64_t fence);

 private:
  Job& held(const std::string& job, std::int64_t fence);
  void sweep();
  void lose(Job& job);
  void decide(Job& job, bool may_begin_anew);
  void begin_anew(Job& job);
  Job& of_session(const std::string& job, std::int64_t fence);
  void check_not_stranded(const std::string& daemon);
  void check_end(Job& job, std::int64_t fence, bool completed, const std::string& code);
  void check_state(const Job& job, const std::optional<std::string>& digest);
  std::optional<fleet::JobEnded> repeated(const Job& job, std::int64_t fence, bool completed) const;

  SimulatedWorld& world_;
  std::map<std::string, Job> jobs_;
  std::map<std::pair<std::string, std::int64_t>, Witnessed> witnessed_;
  std::set<std::pair<std::string, std::int64_t>> ended_by_runner_;
  std::set<std::string> broke_;
  struct Daemon {
    std::string name, instance;
    std::int64_t machine = 0;
    bool draining = false, gone = false;
  };
  Daemon& known(const std::string& id);
  std::map<std::string, Daemon> daemons_;
  std::set<std::string> stopped_;
  std::string violations_;
  bool down_ = false;
};

}  // namespace slipway::runner::testing
