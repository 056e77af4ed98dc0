// What comes in, what goes out, and the run's clock. The rest of the class: execution_steps.cpp (one operation),
// execution_together.cpp (fan-outs and children), execution_end.cpp (the end of the body, and undoing).

#include "durable/execution.h"

#include "durable/context.h"

namespace slipway::durable {
namespace {

// A detail is recorded at most this often: enough to go on from, little enough not to fill the journal.
constexpr Duration kBeatRecordedEvery{5'000};

template <class T>
void prepend_all(std::vector<T>& later, std::vector<T>&& earlier) {
  later.insert(later.begin(), std::make_move_iterator(earlier.begin()), std::make_move_iterator(earlier.end()));
}

}  // namespace

void Pending::prepend(Pending&& earlier) {
  prepend_all(events, std::move(earlier.events));
  prepend_all(starts, std::move(earlier.starts));
  prepend_all(sends, std::move(earlier.sends));
  prepend_all(consumed, std::move(earlier.consumed));
}

Execution::Execution(RunRecord record, const Workflow& workflow, RunState recorded, Services services)
    : record_(std::move(record)),
      workflow_(workflow),
      state_(std::move(recorded)),
      services_(services),
      context_(std::make_unique<Context>(*this)) {
  unasked_ = state_.steps.size();
  for (const auto& [name, value] : state_.values) unasked_ += is_version(name) ? 0 : 1;
}

Execution::~Execution() { request_stop(); }

void Execution::request_stop() {
  for (auto& lane : lanes_)
    if (lane.operation != nullptr) lane.stop.request_stop();
}

bool Execution::attempt_under_way() const {
  for (const auto& lane : lanes_)
    if (lane.phase == Lane::Phase::attempt) return true;
  return false;
}

// ---- inputs

void Execution::start() {
  try {
    body_ = workflow_.body(*context_, input());
  } catch (const base::Error& error) {  // the input does not decode
    end_body({.status = RunStatus::failed, .output = nullptr, .error = error});
    return;
  }
  body_.start();
  after_body();
}

void Execution::begin_again() {
  again_ = false;
  body_ = {};
  kept_.clear();
  names_.clear();
  value_names_.clear();
  old_ways_.clear();
  compensations_.clear();
  failed_step_.clear();
  start();
}

void Execution::on_wake() {
  if (!park_reason_.empty() || state_.is_final()) return;
  if (again_) return begin_again();
  const auto now = services_.clock.now();
  if (const auto at = deadline(); at && *at <= now) return on_deadline();
  std::vector<std::int64_t> due;
  for (const auto& lane : lanes_)
    if (const auto at = lane.due(retry_of(lane), services_.clock); at && *at <= now) due.push_back(lane.id);
  for (const auto id : due)
    if (Lane* lane = find_lane(id)) wake(*lane);  // an earlier one may have ended it
}

void Execution::wake(Lane& lane) {
  if (lane.phase == Lane::Phase::attempt) return look_after(lane);
  if (lane.phase != Lane::Phase::waiting) return;
  lane.until.reset();
  const auto kind = lane.operation != nullptr ? lane.operation->kind : StepKind::step;
  if (kind == StepKind::sleep || kind == StepKind::signal) return complete(lane, json::Value(nullptr));
  lane.phase = kind == StepKind::transaction ? Lane::Phase::wants_transaction : Lane::Phase::wants_attempt;
}

// An attempt under way has a time at which something is due.
void Execution::look_after(Lane& lane) {
  const auto now = services_.clock.monotonic();
  const Retry& retry = retry_of(lane);
  if (lane.leave_at) {
    if (*lane.leave_at > now) return;
    if (lane.overdue.empty()) return force();
    const auto overdue = base::Error(base::ErrorClass::transient, "TIMED_OUT", lane.overdue);
    lane.attempt = 0;  // what it still returns is nobody's
    return lane.operation == nullptr ? on_undo(lane, overdue) : on_step_error(lane, overdue);
  }
  if (const auto limit = lane.limit(retry); limit && *limit <= now) {
    const bool silent = limit != lane.attempt_began_at + retry.attempt_timeout || retry.attempt_timeout.count() == 0;
    lane.overdue = silent ? "the attempt gave no sign of life for " + base::format_duration(retry.heartbeat_timeout)
                          : "the attempt took longer than " + base::format_duration(retry.attempt_timeout);
    lane.leave_at = now + services_.grace;
    lane.stop.request_stop();
    return;
  }
  if (lane.look_at && *lane.look_at <= now) {
    record_beat(lane);
    lane.look_at = now + kBeatRecordedEvery;
  }
}

void Execution::on_input(const Input& input) {
  if (!park_reason_.empty()) return;
  if (input.id != 0) pending_writes_.consumed.push_back(input.id);
  if (state_.is_final()) return;
  switch (input.kind) {
    case InputKind::cancel:
      return on_cancel(input.sender);
    case InputKind::signal:
      return on_signal(input);
    case InputKind::child_ended:
      return on_child_ended(input);
  }
}

void Execution::on_cancel(const std::string& by) {
  if (state_.cancel_requested_at) return;
  append(EventType::cancel_requested, "", {{"by", by}});
  if (!state_.timed_out_at && !ending_as_) interrupt();  // else it is being stopped or undone already
}

void Execution::on_deadline() {
  append(EventType::run_timed_out, "", {});
  interrupt();
}

// Whether a stop of the run is one of this operation, too.
bool Execution::is_stopped(const Operation& operation) const {
  return state_.is_stopping() && !operation.outlasts_stop;
}

// What waits ends as cancelled; what is under way is told to stop and has its grace.
void Execution::interrupt() {
  tell_children();
  if (group_ != nullptr) {
    FanOut& group = *group_;
    close_group(group);
    return go_on(group);
  }
  if (!lanes_.empty()) {
    Lane& lane = lanes_.front();
    if (!is_stopped(*lane.operation)) return;
    if (lane.phase != Lane::Phase::attempt) return complete(lane, Cancelled());
    lane.overdue.clear();
    lane.leave_at = services_.clock.monotonic() + services_.grace;
    lane.stop.request_stop();
    return;
  }
  for (auto* child : children_)
    if (child->waiter && !child->is_attached()) {
      std::erase(children_, child);
      record_outcome(*child, Cancelled(), nullptr);
      return ended(*child);
    }
}

void Execution::on_signal(const Input& input) {
  if (state_.knows_signal(input.key)) return;
  append(EventType::signal_received, "",
         {{"name", input.name}, {"key", input.key}, {"payload", input.payload}, {"sender", input.sender}});
  for (auto& lane : lanes_) {
    if (lane.operation == nullptr || lane.operation->kind != StepKind::signal) continue;
    Operation& operation = *lane.operation;
    if (!take_signal(operation)) return;
    close_lane(lane);
    return ended(operation);
  }
}

void Execution::on_poke() {
  for (auto& lane : lanes_) {
    if (lane.operation == nullptr || lane.operation->kind != StepKind::poll) continue;
    if (lane.phase == Lane::Phase::waiting) lane.phase = Lane::Phase::wants_attempt;
    lane.poked = lane.phase == Lane::Phase::attempt;  // what that attempt saw may be older than the poke
  }
}

void Execution::announce() {
  for (const auto& lane : lanes_) {
    if (lane.phase != Lane::Phase::attempt || lane.operation == nullptr) continue;
    const auto* step = state_.find(lane.operation->key);
    if (step != nullptr && step->status == StepStatus::running) continue;
    append(EventType::step_started, lane.operation->key,
           {{"kind", json::to_value(lane.operation->kind)}, {"startedAt", json::to_value(*lane.started_at)}});
  }
}

Execution::AttemptCall Execution::take_attempt() {
  const auto lane = std::ranges::find(lanes_, Lane::Phase::wants_attempt, &Lane::phase);
  SLIPWAY_ASSERT(lane != lanes_.end());
  const bool undoing = lane->operation == nullptr;
  const auto now = services_.clock.monotonic();
  const std::string& step = undoing ? compensations_[compensations_left_ - 1].step : lane->operation->key;
  const auto* known = state_.find(step);
  lane->phase = Lane::Phase::attempt;
  lane->attempt = ++last_attempt_;
  lane->attempt_began_at = now;
  lane->stop = std::stop_source();
  lane->pulse = std::make_shared<Pulse>(services_.clock);
  lane->leave_at.reset();
  lane->overdue.clear();
  lane->look_at.reset();
  if (!undoing && lane->operation->may_beat) lane->look_at = now + kBeatRecordedEvery;

  // A later generation of an endless run has steps of the same names, and they are others.
  const std::string generation = state_.generation > 1 ? "@" + std::to_string(state_.generation) : "";
  Attempt attempt(record_.id.str() + generation + "/" + step + (undoing ? "/undo" : ""), lane->failed + 1,
                  lane->stop.get_token(), lane->pulse, known != nullptr ? known->heartbeat : json::Value(nullptr),
                  record_.trace);
  Operation::Function function;
  if (undoing) {
    function = [&undo = compensations_[compensations_left_ - 1].undo](Attempt& attempt) {
      undo(attempt);
      return json::Value(nullptr);
    };
  } else if (lane->operation->retry.may_leave_behind()) {
    function = lane->operation->perform_apart();
  } else {
    function = [operation = lane->operation](Attempt& attempt) { return operation->perform(attempt); };
  }
  return {.id = lane->attempt, .call = [function = std::move(function), attempt]() mutable -> std::optional<Outcome> {
            try {
              auto result = function(attempt);
              if (!result) return std::nullopt;
              return std::move(*result);
            } catch (...) {
              return base::as_error(std::current_exception());
            }
          }};
}

void Execution::on_attempt(std::int64_t id, std::optional<Outcome> outcome) {
  const auto found = std::ranges::find(lanes_, id, &Lane::attempt);
  if (found == lanes_.end()) return;  // given up on before
  Lane& lane = *found;
  lane.attempt = 0;
  if (!lane.overdue.empty() && outcome && std::holds_alternative<base::Error>(*outcome))
    outcome = base::Error(base::ErrorClass::transient, "TIMED_OUT", lane.overdue);  // however it said that it gave up
  if (lane.operation == nullptr) {
    on_undo(lane, std::move(outcome));
  } else if (lane.operation->kind == StepKind::poll) {
    on_look(lane, std::move(outcome));
  } else if (auto* error = std::get_if<base::Error>(&*outcome)) {
    on_step_error(lane, *error);
  } else {
    if (const auto& endpoint = lane.operation->retry.endpoint; !endpoint.empty())
      services_.budgets.on_success(endpoint, services_.clock.now());
    complete(lane, std::move(*outcome));
  }
}

void Execution::take_back_attempt(std::int64_t id) {
  const auto lane = std::ranges::find(lanes_, id, &Lane::attempt);
  if (lane == lanes_.end()) return;
  lane->attempt = 0;
  lane->phase = Lane::Phase::wants_attempt;
  if (lane->operation != nullptr && is_stopped(*lane->operation)) complete(*lane, Cancelled());
}

Execution::TransactionCall Execution::take_transaction() {
  const auto lane = std::ranges::find(lanes_, Lane::Phase::wants_transaction, &Lane::phase);
  SLIPWAY_ASSERT(lane != lanes_.end());
  lane->phase = Lane::Phase::transaction;
  Event completion{.seq = state_.last_seq + 1,
                   .type = EventType::step_completed,
                   .at = services_.clock.now(),
                   .step = lane->operation->key,
                   .data = {{"kind", "transaction"}, {"attempts", lane->failed + 1}}};
  return {.operation = lane->operation, .completion = std::move(completion)};
}

void Execution::on_transaction(std::variant<Event, base::Error> committed) {
  Lane& lane = *std::ranges::find(lanes_, Lane::Phase::transaction, &Lane::phase);
  if (const auto* error = std::get_if<base::Error>(&committed)) return on_step_error(lane, *error);
  const Event& completion = std::get<Event>(committed);
  fold(state_, completion);
  Operation& operation = *lane.operation;
  operation.outcome = completion.data.at("result");
  close_lane(lane);
  ended(operation);
}

void Execution::retry_transaction(Instant at) {
  Lane& lane = *std::ranges::find(lanes_, Lane::Phase::transaction, &Lane::phase);
  lane.phase = Lane::Phase::waiting;
  lane.until = at;
}

// ---- outputs

std::optional<Instant> Execution::deadline() const {
  if (workflow_.timeout.count() <= 0 || state_.is_stopping() || ending_as_) return std::nullopt;
  return state_.began_at + workflow_.timeout;
}

Wish Execution::wish() const {
  if (!park_reason_.empty()) return Wish::parked;
  if (state_.is_final()) return Wish::ended;
  if (again_) return Wish::wake;
  const auto limit = deadline();
  bool any_due = limit.has_value();
  bool any_under_way = false, any_wants = false;
  for (const auto& lane : lanes_) {
    if (lane.phase == Lane::Phase::transaction) return Wish::nothing;
    if (limit && *limit <= services_.clock.now()) return Wish::wake;
    if (lane.phase == Lane::Phase::wants_transaction) return Wish::transaction;
    any_wants |= lane.phase == Lane::Phase::wants_attempt;
    any_under_way |= lane.phase == Lane::Phase::attempt;
    any_due |= lane.due(retry_of(lane), services_.clock).has_value();
  }
  return any_wants ? Wish::attempt : any_due ? Wish::wake : any_under_way ? Wish::nothing : Wish::input;
}

Instant Execution::wake_at() const {
  if (again_) return services_.clock.now();
  auto earliest = deadline();
  for (const auto& lane : lanes_)
    if (const auto at = lane.due(retry_of(lane), services_.clock); at && (!earliest || *at < *earliest)) earliest = at;
  return earliest.value_or(services_.clock.now());
}

void Execution::park(std::string reason) { park_reason_ = std::move(reason); }

void Execution::append(EventType type, std::string step, json::Object data) {
  Event event{.seq = state_.last_seq + 1,
              .type = type,
              .at = services_.clock.now(),
              .step = std::move(step),
              .data = std::move(data)};
  fold(state_, event);
  pending_writes_.events.push_back(std::move(event));
}

}  // namespace slipway::durable
