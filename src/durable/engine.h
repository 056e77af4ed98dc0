#pragma once
// The durable-execution engine: keeps runs alive, commits what they decide, and only then does what they wish.
//
// Any number of engines share one database. Each advances the runs that it owns: those started through it, and those
// that it took over from a replica that is gone (membership.h). A run that waits for long is nobody's, and a row.
//
// Promises: a run whose `start` was acknowledged is never lost; a step whose completion was committed never runs again;
// an interrupted one runs again under the same idempotency key; a transaction step's SQL and its completion commit
// together. Nothing leaves before the commit that it speaks of: attempts start, and callbacks and observers are called,
// only after it.
//
// Everything here is for the event loop's thread; only functions of steps run on workers, and those of transactions on
// the store's thread. The engine must be destroyed on the loop's thread; attempts under way then keep what they use.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/executor.h"
#include "base/id.h"
#include "base/random.h"
#include "durable/execution.h"
#include "durable/journal.h"
#include "durable/mailbox.h"
#include "durable/membership.h"
#include "durable/queue_admission.h"
#include "durable/run_retry.h"
#include "durable/witness.h"
#include "store/store.h"

namespace slipway::durable {

struct EngineOptions {
  Duration cancel_grace{30'000};    // how long a cancelled run's step may take to give up, before it is left behind
  Duration evict_after{30'000};     // a run that waits longer than this leaves memory until its time
  Duration wake_ahead{2'000};       // sleepers come back this long before their time; less than evict_after
  Duration announce_after{20};      // a step that takes longer than this is shown as running by an event of its own
  Duration store_retry_max{2'000};  // between attempts to write while the store is gone
  Duration sweep_every{30'000};     // how often the invariants are looked after
  LeaseOptions lease;
  const Sealer* sealer = nullptr;  // for secrets in results; outlives the engine. Without it such a result is refused
};

struct StartRequest {
  std::string type;
  std::string resource_type;
  std::string resource_id;
  std::string triggered_by;
  std::string owner_id;
  json::Value input;
  std::optional<Ticket> ticket = {};  // how it wishes to wait (queue.h)
  std::string trace = {};             // base::TraceContext as text
};

class Engine {
 public:
  Engine(store::Database& database, base::EventLoop& loop, base::Workers& workers, const base::Clock& clock,
         base::Random& random, base::IdGenerator& ids, EngineOptions options = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // ---- before join()
  void add(Workflow workflow);
  const Workflow* find_workflow(const std::string& type) const;
  const std::map<std::string, Workflow>& workflows() const { return workflows_; }
  // Told of events after their commit, in each run's order. For live streams and metrics; must not throw.
  using Observer = std::function<void(const RunRecord&, const RunState&, const std::vector<Event>&)>;
  void observe(Observer observer);
  // Told of the runs of this engine within the transactions that change them. Outlives the engine and its records.
  void set_witness(const Witness& witness) { witness_ = &witness; }
  // Told in words of what an operator should read in the log: leases lost, runs taken over, repairs.
  void on_notice(std::function<void(const std::string&)> notice) { notice_ = std::move(notice); }

  // Begins to work: as a replica of its own, with a lease, it may start runs and takes up those that are nobody's.
  // `done` gets null, or the error that kept the store from being written; then ask again. Should the lease be lost,
  // the engine forgets what it had in memory and joins anew by itself.
  void join(std::function<void(std::exception_ptr)> done);
  const ReplicaId& replica() const { return membership_.self(); }
  bool has_joined() const { return membership_.lease()->is_held(); }

  // ---- starting
  // In three parts, so that a caller can put the run and its own records into one transaction: make the record, insert
  // it there (journal::insert_run, refused with REPLICA_FENCED before join and without a lease), and launch it once
  // that is durable, unless a key of its ticket named another run. A ticket for a queue that nobody made is dropped:
  // the run begins at once. Throws VALIDATION_ERROR for a ticket that is wrong.
  RunRecord make_record(StartRequest request);
  void launch(RunRecord record);
  // Doing a run again, in the same three parts: make the request, insert the retry in a transaction (run_retry.h), and
  // launch its record. Only insert_retry is for the store's thread.
  RetryRequest make_retry(const RunId& of, std::string from_step, std::string by, std::string trace = {});
  Retried insert_retry(store::Transaction& tx, const RetryRequest& request) const;

  // ---- steering
  // All of these reach the run wherever it is: here, on another replica, or asleep.
  // `done`: null once the wish to cancel is durable. NOT_FOUND, or INVALID_STATE_TRANSITION when the run has ended. A
  // parked run, which cannot go on, ends as cancelled at once; what it did is not undone, and that is marked.
  void cancel(const RunId& run, const std::string& by, std::function<void(std::exception_ptr)> done);
  // The same in a transaction of the caller's, on the store's thread. What it gives is to be called once that is
  // durable, on the loop. Throws what `done` of cancel gets.
  std::function<void()> insert_cancel(store::Transaction& tx, const RunId& run, const std::string& by);
  // A signal named `name`. One with a key that the run has seen is taken for the same one. `done` as for cancel.
  void signal(const RunId& run, Input signal, std::function<void(std::exception_ptr)> done);
  // Something was put into the mailbox (mailbox.h) in a transaction of the caller's: looks for it at once.
  void look_for_inputs();
  // A queue was made, changed or deleted, and that is durable: what starts through this replica from now on heeds it.
  // The others are told, and heed it when they have looked.
  void queue_changed(const std::string& queue);
  // A poll of this run looks again now. Harmless when there is none.
  void poke(const RunId& run);

  // Gives no more attempts out and tells those under way to stop; what they still return is dropped. The runs go on
  // when the next engine takes them up. Give the lease back then with leave(), so that another does so at once.
  void shut_down();
  void leave(std::function<void(std::exception_ptr)> done);

  struct Statistics {
    std::size_t live = 0;      // in memory
    std::size_t sleeping = 0;  // waiting outside of memory, as the last sweep counted them
    std::size_t parked = 0;    // the same
    std::size_t attempts_under_way = 0;
    std::uint64_t started = 0, completed = 0, failed = 0, cancelled = 0;
    std::uint64_t steps = 0, failed_attempts = 0, failed_writes = 0, compensations_failed = 0;
    std::uint64_t taken_over = 0;   // runs of replicas that had gone
    std::uint64_t lost_leases = 0;  // how often this engine had to begin anew
    std::uint64_t repaired = 0;     // runs that the sweep found with nothing to wake them: a defect, worth an alert
  };
  struct QueueStatistics {
    queues::Counts counts;       // over all replicas, as the last sweep counted them
    std::uint64_t admitted = 0;  // by this replica
  };
  std::map<std::string, QueueStatistics> queue_statistics() const;
  Statistics statistics() const;

 private:
  struct Live;
  using LivePtr = std::shared_ptr<Live>;
  struct Batch;
  using Callback = std::function<void(std::exception_ptr)>;
  using Claim = std::move_only_function<std::vector<journal::Row>(store::Transaction&)>;

  // ---- engine.cpp: an input's way to the journal and to the world
  void advance(const LivePtr& live);
  void mark_dirty(const LivePtr& live);
  void flush();
  void submit(std::vector<LivePtr> group);
  std::shared_ptr<Batch> make_batch(LivePtr live);
  static void write_batches(store::Transaction& tx, std::span<const std::shared_ptr<Batch>> batches,
                            const Sealer* sealer, const Witness* witness);
  void on_written(std::vector<std::shared_ptr<Batch>> batches, std::exception_ptr failure);
  void on_batch_durable(const std::shared_ptr<Batch>& batch);
  void tell(const Batch& batch);
  void restore(const std::shared_ptr<Batch>& batch);
  void fulfil(const LivePtr& live);
  void start_attempts(const LivePtr& live);
  void start_attempt(const LivePtr& live);
  void release_when_idle(const LivePtr& live);
  void start_transaction(const LivePtr& live);
  void on_transaction_written(const std::shared_ptr<Batch>& batch, std::exception_ptr failure);
  void arm(const LivePtr& live, Instant at);
  void disarm(const LivePtr& live);
  void give_input(const LivePtr& live, std::move_only_function<void(Execution&)> input);
  void count(const std::vector<Event>& events);
  void write(std::move_only_function<void(store::Transaction&)> work, Callback done);

  // ---- engine_claims.cpp: how runs come into memory and leave it
  void take_up(RunRecord record, RunState state);
  // Reads the journal of one that is ours first: it holds more than was ever in memory here.
  void take_up_stored(RunRecord record);
  // Writes a claim, reads the journals of what it got, takes these up, and says how many there were.
  void claim(Claim claim, std::function<void(std::size_t)> then);
  void load(std::shared_ptr<std::vector<journal::Row>> rows, std::function<void(std::size_t)> then);
  void take_over(const ReplicaId& departed);
  void claim_due();
  void claim_parked(const RunId& after, std::function<void()> then);
  void bring_back(const RunId& run, std::function<void(const LivePtr&)> then);
  void drop(const LivePtr& live);
  void remember_left(const RunId& run);
  void park(const LivePtr& live, const std::string& reason);
  void park_unread(const RunId& run, const std::string& reason);
  void write_parked_reason(const RunId& run, const std::string& reason, bool is_news);
  void refuse_waiting(const LivePtr& live);
  bool is_current(const LivePtr& live) const;
  // Whether this engine had the run in hand already: what was read of it before is stale.
  bool is_known(const RunId& run) const;
  void on_look(const std::vector<ReplicaId>& departed);
  void on_lost();
  void rejoin();

  // ---- engine_queues.cpp: runs that wait in a queue
  std::shared_ptr<const Ticket> make_ticket(std::optional<Ticket> wish) const;
  void launch_waiting(const RunRecord& record);
  void look_at_queues();
  void on_queues_read(const std::vector<queues::Glance>& found, bool is_old);
  void admit_soon(const std::string& queue);
  void admit();
  void on_admitted(const std::string& queue, queues::Admission admission);
  void take_up_admitted(queues::Admitted admitted);
  void admit_at(const std::string& queue, std::optional<Instant> at);
  void forget_queues();
  void on_queues_examined(const queues::Examination& found);

  // ---- engine_sweep.cpp
  void sweep_when_due();
  void repair();
  void load_forgotten(const std::vector<RunId>& owned);
  void rearm();
  void count_repaired(std::uint64_t runs, std::string_view what);

  void notice(const std::string& text) const {
    if (notice_) notice_(text);
  }
  void hear(std::string_view bell);
  void ring(std::string_view bell);

  // ---- engine_inputs.cpp: what is said to runs
  void send(Input input, Callback done);
  void deliver(const std::vector<mailbox::Letter>& letters);
  struct EndedUnadvanced;
  std::optional<EndedUnadvanced> put(store::Transaction& tx, const Input& input) const;
  void on_put(const std::optional<EndedUnadvanced>& ended);
  EndedUnadvanced end_unadvanced(store::Transaction& tx, const journal::Row& row, const std::string& by) const;
  void tell_ended(const EndedUnadvanced& ended);

  // Wraps a callback so that it runs on the loop, and only while this engine lives.
  template <class F>
  auto on_loop(F function);

  store::Database& database_;
  base::EventLoop& loop_;
  base::Workers& workers_;
  const base::Clock& clock_;
  base::Random& random_;
  base::IdGenerator& ids_;
  const EngineOptions options_;
  Membership membership_;

  std::map<std::string, Workflow> workflows_;
  std::vector<Observer> observers_;
  const Witness* witness_ = nullptr;
  std::function<void(const std::string&)> notice_;
  std::unordered_map<RunId, LivePtr> live_;
  std::unordered_set<RunId> loading_;  // owned, and on their way into memory
  std::unordered_map<RunId, std::vector<std::function<void(const LivePtr&)>>> coming_back_;
  std::set<ReplicaId> being_taken_over_;
  RetryBudgets budgets_;
  bool claiming_due_ = false;
  // Of the queues that exist, as the last look found them and what was changed through this replica since; null before
  // the first one. May hold one that is gone: its runs enter the default queue.
  std::optional<std::set<std::string>> known_queues_;
  std::set<std::string> to_admit_;     // queues that somebody may be admitted from
  std::set<std::string> full_queues_;  // at the last admission: until a run of theirs ends, or the next look
  std::map<std::string, base::EventLoop::TimerId> admit_timers_;
  std::map<std::string, QueueStatistics> queue_statistics_;
  bool reading_queues_ = false;
  bool read_queues_again_ = false;  // something changed since that reading began
  bool admitting_ = false;
  bool reading_inputs_ = false;
  bool read_inputs_again_ = false;
  bool sweeping_ = false;
  int sweeps_with_parked_ = 0;
  // Of the run that is being taken up, if it was parked before: who was told so then is not told again.
  std::optional<std::string> parked_before_;
  Instant next_sweep_;
  std::unordered_set<RunId> missing_;  // at the last sweep: owned, and not in memory
  // Runs that ended or were parked a moment ago: what a read or a caller still says of them is stale.
  std::unordered_set<RunId> left_;
  std::deque<RunId> left_order_;
  std::vector<LivePtr> dirty_;
  std::vector<LivePtr> held_;  // want to begin something while the lease is not sure
  bool flush_posted_ = false;
  bool shut_down_ = false;
  Duration store_backoff_{0};
  Statistics counted_;
  std::shared_ptr<Engine*> self_;  // callbacks hold it weakly
  std::unique_ptr<store::Listening> listening_;
};

}  // namespace slipway::durable
