#pragma once
// One live run: the plain state machine at the engine's heart. It turns inputs (an attempt returned, a time has come, a
// cancel was asked for) into events for the journal and one wish: what should happen next in the world. It does no I/O
// and runs on one thread; the engine commits the events and only then fulfils the wish. The simulation drives the same
// code.

#include <list>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "durable/input.h"
#include "durable/lane.h"
#include "durable/operation.h"
#include "durable/retry_budget.h"
#include "durable/run.h"
#include "durable/run_state.h"
#include "durable/workflow.h"

namespace slipway::durable {

class Context;
struct Ticket;
class Witness;

// What a retry takes over from the journal of the run before it (run_retry.h).
struct Inherited {
  std::string from_step;      // as asked for; empty: from the start, and nothing is taken over
  std::vector<Event> events;  // of the new run, after its first one
};

// What is fixed about a run from its start.
struct RunRecord {
  RunId id;
  std::string type;
  std::string resource_type;
  std::string resource_id;
  std::string triggered_by;  // who asked
  std::string owner_id;      // who may see it
  json::Value input;
  Instant started_at;
  base::ReplicaId replica;  // who advances it from its start
  std::string parent_id;    // the run that started it and awaits its end; empty for most
  std::string trace = {};   // base::TraceContext as text: of the request that asked for it; may be empty

  // The queue that it entered; empty: none.
  std::string queue = {};
  // Of a start that is to wait (queue.h); null in a run that was read.
  std::shared_ptr<const Ticket> ticket = {};

  std::string retry_of = {};  // the run that it does again; empty for most
  // Of a retry that is about to be inserted; null in a run that was read.
  std::shared_ptr<const Inherited> inherited = {};
  // Who is told of its start in the same transaction (witness.h); null: nobody. Outlives the record.
  const Witness* witness = nullptr;
};

// What an execution wants written, all of it in one commit, in this order.
struct Pending {
  std::vector<Event> events;
  std::vector<RunRecord> starts;       // child runs
  std::vector<Input> sends;            // to other runs
  std::vector<std::int64_t> consumed;  // inputs that were taken in: their rows go

  bool empty() const { return events.empty() && starts.empty() && sends.empty() && consumed.empty(); }
  void prepend(Pending&& earlier);
};

// A journal that does not fit the code parks the run: nothing is guessed.
enum class Wish {
  nothing,      // attempts are under way, with no time set for them
  attempt,      // run what the next lane wants once (take_attempt); asked again, there may be more of them
  transaction,  // run the pending transaction (take_transaction)
  wake,         // call on_wake at wake_at(), also while attempts are under way
  input,        // only what comes from outside can move it: it may leave memory
  ended,        // the run has its final event
  parked,       // the journal does not fit the code: park_reason() says where
};

// What an execution takes from the world. All of it outlives the execution.
struct Services {
  const base::Clock& clock;
  base::Random& random;
  base::IdGenerator& ids;
  RetryBudgets& budgets;
  Duration grace;  // how long an attempt that was told to stop may take, before it is left behind
};

// Thrown through a workflow's body where it cannot go on and cannot wait either. Not a failure of the run.
struct Parked {};

class Execution {
 public:
  // `recorded` is the fold of the run's journal, which has at least its first event or a run_continued.
  Execution(RunRecord record, const Workflow& workflow, RunState recorded, Services services);
  ~Execution();
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  // ---- inputs

  void start();  // runs the body from the top; recorded steps answer from the journal
  void on_wake();
  // Takes in what came to the mailbox. Knows one that it has taken in before by its key. A parked run takes in nothing.
  void on_input(const Input& input);
  // The world changed: a poll looks again at once instead of at its next time.
  void on_poke();
  // Attempts have been under way for a while: tells readers so by events.
  void announce();

  // Runs on any thread while the execution is kept alive; gives its result to on_attempt, on the loop.
  struct AttemptCall {
    std::int64_t id = 0;
    std::move_only_function<std::optional<Outcome>()> call;  // empty: a poll's 'not yet'
  };
  AttemptCall take_attempt();
  void on_attempt(std::int64_t id, std::optional<Outcome> outcome);
  // It was never begun: the wish for it stands again.
  void take_back_attempt(std::int64_t id);

  // The operation whose function is to run in the transaction that also writes `completion`, with its result put in.
  // Between this and on_transaction no other input is given.
  struct TransactionCall {
    Operation* operation = nullptr;
    Event completion;
  };
  TransactionCall take_transaction();
  void on_transaction(std::variant<Event, base::Error> committed);
  // The store could not be written: the same transaction again, at `at`. Counts as no attempt.
  void retry_transaction(Instant at);

  // ---- outputs

  Pending& pending() { return pending_writes_; }  // not yet handed to the store
  Wish wish() const;
  Instant wake_at() const;  // while the wish is wake
  const std::string& park_reason() const { return park_reason_; }
  const RunState& state() const { return state_; }
  const RunRecord& record() const { return record_; }
  const json::Value& input() const { return state_.input ? *state_.input : record_.input; }
  const RunId& id() const { return record_.id; }
  const Workflow& workflow() const { return workflow_; }
  const Services& services() const { return services_; }
  // Told when the engine shuts down.
  void request_stop();
  bool attempt_under_way() const;

  // ---- for awaits.h

  void begin(Operation& operation);
  void suspend(Operation& operation);
  json::Value take(Operation& operation);
  void compute(Operation& operation, std::move_only_function<json::Value()> function);
  // At once, if it has come already.
  void receive(Operation& operation);
  void open_fan_out(FanOut& group);
  void open_child(ChildOperation& operation);
  // One that was started to be awaited later; lives as long as this.
  ChildOperation& keep(std::unique_ptr<ChildOperation> operation);
  // Whether the body may go on at once.
  bool expect(ChildOperation& operation);
  void add_compensation(Compensation compensation);
  json::Value value(const std::string& name, std::move_only_function<json::Value()> function);
  std::int64_t version(const std::string& change, std::int64_t newest, std::int64_t oldest);
  void continue_as_new(json::Value input);

 private:
  struct BodyEnd {
    RunStatus status = RunStatus::completed;
    json::Value output;
    std::optional<base::Error> error;
  };

  // execution.cpp
  void on_cancel(const std::string& by);
  void on_signal(const Input& input);
  void on_deadline();
  bool is_stopped(const Operation& operation) const;
  void interrupt();
  void begin_again();
  std::optional<Instant> deadline() const;
  void wake(Lane& lane);
  void look_after(Lane& lane);
  void append(EventType type, std::string step, json::Object data);
  void park(std::string reason);

  // execution_steps.cpp
  bool recall(Operation& operation);
  Lane& open_lane(Operation* operation);
  Lane* find_lane(std::int64_t id);
  void close_lane(Lane& lane);
  void decide(Lane& lane);
  void on_step_error(Lane& lane, const base::Error& error);
  void on_look(Lane& lane, std::optional<Outcome> outcome);
  void record_beat(Lane& lane);
  void record_outcome(Operation& operation, Outcome outcome, const Lane* lane);
  bool take_signal(Operation& operation);
  void complete(Lane& lane, Outcome outcome);
  void ended(Operation& operation);
  void resume(Operation& operation);
  json::Object attempt_data(const Lane& lane, const base::Error& error, Instant retry_at) const;
  const Retry& retry_of(const Lane& lane) const;

  // execution_together.cpp
  std::unique_ptr<Operation> make_item(FanOut& group, std::size_t index);
  void recall_items(FanOut& group);
  void give_out(FanOut& group);
  void close_group(FanOut& group);
  void item_ended(FanOut& group, Operation& item);
  void go_on(FanOut& group);
  void on_child_ended(const Input& input);
  void start_child(ChildOperation& operation);
  void tell_children();

  // execution_end.cpp
  void after_body();
  void end_body(BodyEnd end);
  void end_cancelled();
  void settle();
  void force();
  void finish(RunStatus status, const base::Error& error);
  void next_compensation();
  void on_undo(Lane& lane, std::optional<Outcome> outcome);

  RunRecord record_;
  const Workflow& workflow_;
  RunState state_;
  const Services services_;

  std::unique_ptr<Context> context_;
  std::vector<std::unique_ptr<ChildOperation>> kept_;
  Run<json::Value> body_;
  bool forced_ = false;  // cancelled by force: the body is never resumed again
  bool again_ = false;   // the journal begins again: so will the body

  std::unordered_map<std::string, int> names_;              // how often each step's name was used so far
  std::unordered_map<std::string, int> value_names_;        // and each value's
  std::unordered_map<std::string, std::int64_t> old_ways_;  // changes that this run passed before they were made
  std::size_t unasked_ = 0;  // what the journal had at the start and the body has not asked for yet

  std::list<Lane> lanes_;
  std::int64_t last_lane_ = 0;
  std::int64_t last_attempt_ = 0;
  FanOut* group_ = nullptr;                // the one that is open
  std::vector<ChildOperation*> children_;  // under way
  std::string failed_step_;                // the last step whose failure was thrown into the body

  std::vector<Compensation> compensations_;
  std::size_t compensations_left_ = 0;
  std::optional<BodyEnd> body_end_;
  std::optional<RunStatus> ending_as_;  // undoing
  std::optional<base::Error> ending_error_;

  Pending pending_writes_;
  std::string park_reason_;
};

}  // namespace slipway::durable
