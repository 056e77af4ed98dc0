// What is said to runs: into the mailbox, and from there to whoever advances the run.

#include "durable/engine_live.h"

namespace slipway::durable {
namespace {

constexpr std::int64_t kLettersMax = 1'000;  // read at a time

// The key makes a second wish to cancel the same as the first.
Input cancel_of(const RunId& run, const std::string& by) {
  return {.run = run, .kind = InputKind::cancel, .name = {}, .key = "cancel", .payload = {}, .sender = by};
}

}  // namespace

void Engine::cancel(const RunId& run, const std::string& by, Callback done) {
  Input input = cancel_of(run, by);
  const auto found = live_.find(run);
  if (found == live_.end() || found->second->releasing) return send(std::move(input), std::move(done));
  const LivePtr live = found->second;
  if (live->execution->state().is_final())
    return done(std::make_exception_ptr(base::invalid_state("run '" + run.str() + "' has ended")));
  live->on_durable.push_back(std::move(done));
  give_input(live, [input = std::move(input)](Execution& execution) { execution.on_input(input); });
}

void Engine::signal(const RunId& run, Input signal, Callback done) {
  signal.run = run;
  signal.kind = InputKind::signal;
  if (signal.key.empty()) signal.key = ids_.make("sig_");  // so that it is known again if it is read twice
  send(std::move(signal), std::move(done));
}

void Engine::send(Input input, Callback done) {
  input.at = clock_.now();
  auto ended = std::make_shared<std::optional<EndedUnadvanced>>();
  database_.write([this, input, ended](store::Transaction& tx) { *ended = put(tx, input); },
                  on_loop([this, ended, done = std::move(done)](std::exception_ptr failure) {
                    done(failure);
                    if (!failure) on_put(*ended);
                  }));
}

std::function<void()> Engine::insert_cancel(store::Transaction& tx, const RunId& run, const std::string& by) {
  Input input = cancel_of(run, by);
  input.at = clock_.now();
  auto ended = std::make_shared<std::optional<EndedUnadvanced>>(put(tx, input));
  return [this, ended] { on_put(*ended); };
}

// Into the run's mailbox; or, where nobody would take it in, the run's end at once.
std::optional<Engine::EndedUnadvanced> Engine::put(store::Transaction& tx, const Input& input) const {
  const bool cancels = input.kind == InputKind::cancel;
  const bool withdrawn = cancels && queues::withdraw(tx, input.run);
  const auto row = journal::find_for_update(tx, input.run);
  if (!row) throw base::not_found("run", input.run.str());
  if (row->completed_at) throw base::invalid_state("run '" + input.run.str() + "' has ended");
  if (withdrawn || (row->parked_reason && cancels)) return end_unadvanced(tx, *row, input.sender);
  mailbox::send(tx, input);
  return std::nullopt;
}

void Engine::on_put(const std::optional<EndedUnadvanced>& ended) {
  if (ended) tell_ended(*ended);
  look_for_inputs();
  ring(kBellInputs);
}

// A run that cannot be advanced, or has not begun, can still be ended. What a parked one holds is given free, and a
// person is told to look.
Engine::EndedUnadvanced Engine::end_unadvanced(store::Transaction& tx, const journal::Row& row,
                                               const std::string& by) const {
  const RunId& run = row.record.id;
  const Instant now = clock_.now();
  const auto last = journal::last_seq(tx, run);
  EndedUnadvanced ended{.record = row.record, .state = {}, .events = {}};
  ended.events = {{.seq = last + 1, .type = EventType::cancel_requested, .at = now, .step = {}, .data = {{"by", by}}},
                  {.seq = last + 2, .type = EventType::run_cancelled, .at = now, .step = {}, .data = {}}};
  journal::append(tx, {{&run, &ended.events[0]}, {&run, &ended.events[1]}});
  RunState& state = ended.state;
  state.status = RunStatus::cancelled;
  state.started_at = row.record.started_at;
  state.ended_at = state.cancel_requested_at = now;
  state.last_seq = last + 2;
  state.needs_attention = row.parked_reason.has_value();
  const auto* workflow = find_workflow(row.record.type);
  if (workflow != nullptr && workflow->on_failure)
    workflow->on_failure(tx, row.record.input,
                         {run, state.status, to_failure(Cancelled()), "", state.needs_attention, now});
  journal::set_ended(tx, run, state);
  if (!row.record.queue.empty()) queues::leave(tx, run);
  if (!row.record.parent_id.empty()) mailbox::send(tx, child_ended(row.record, state));
  std::vector<Transition> transitions;  // the end comes last, as everywhere
  if (state.needs_attention)
    transitions.push_back({.kind = TransitionKind::run_needs_attention, .run = &ended.record, .at = now});
  transitions.push_back(to_transition(ended.record, state));
  if (witness_ != nullptr) witness_->tell(tx, transitions);
  return ended;
}

void Engine::tell_ended(const EndedUnadvanced& ended) {
  count(ended.events);
  for (const auto& observer : observers_) observer(ended.record, ended.state, ended.events);
  if (ended.record.queue.empty()) return;
  full_queues_.erase(ended.record.queue);
  admit_soon(ended.record.queue);
}

void Engine::look_for_inputs() {
  if (shut_down_ || !has_joined()) return;
  if (reading_inputs_) {
    read_inputs_again_ = true;
    return;
  }
  reading_inputs_ = true;
  auto letters = std::make_shared<std::vector<mailbox::Letter>>();
  database_.read([letters, replica = membership_.self()](
                     store::Transaction& tx) { *letters = mailbox::letters_for(tx, replica, kLettersMax); },
                 on_loop([this, letters](std::exception_ptr failure) {
                   reading_inputs_ = false;
                   if (!failure && !shut_down_) deliver(*letters);
                   if (std::exchange(read_inputs_again_, false)) look_for_inputs();
                 }));
}

void Engine::deliver(const std::vector<mailbox::Letter>& letters) {
  std::vector<std::int64_t> unread;
  for (const auto& letter : letters) {
    const Input& input = letter.input;
    if (letter.run_ended) {
      unread.push_back(input.id);
    } else if (const auto found = live_.find(input.run); found != live_.end()) {
      const LivePtr live = found->second;
      if (!live->taken_inputs.insert(input.id).second) continue;
      give_input(live, [input](Execution& execution) { execution.on_input(input); });
    } else if (!letter.replica && !is_known(input.run)) {
      bring_back(input.run, [this](const LivePtr& live) {
        if (live != nullptr) look_for_inputs();
      });
    }  // else it is on its way into memory, and its letters are looked for when it is there
  }
  if (!unread.empty())
    database_.write([unread](store::Transaction& tx) { mailbox::remove(tx, unread); }, [](std::exception_ptr) {});
}

// A poll looks again, wherever it is: an owner elsewhere looks at its own time.
void Engine::poke(const RunId& run) {
  const auto poke_it = [this](const LivePtr& live) {
    if (live != nullptr) give_input(live, [](Execution& execution) { execution.on_poke(); });
  };
  if (const auto found = live_.find(run); found != live_.end()) {
    poke_it(LivePtr(found->second));
  } else if (!left_.contains(run)) {
    bring_back(run, poke_it);
  }
}

}  // namespace slipway::durable
