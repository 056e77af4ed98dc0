#include "durable/testing/small_engine.h"

namespace slipway::durable::testing {

namespace {

constexpr Duration kGrace{1'000};
constexpr int kStepsMax = 1'000'000;  // more is a run that never ends

}  // namespace

Workflow& SmallEngine::add(const std::string& type, Body body) {
  auto& workflow = next_workflows_[type];
  workflow = {.type = type, .body = std::move(body)};
  if (!workflows_.contains(type)) workflows_[type] = workflow;
  return workflows_[type];
}

RunId SmallEngine::start(const std::string& type, json::Value input) {
  RunRecord record{.id = ids_.make<RunId>(),
                   .type = type,
                   .resource_type = "test",
                   .resource_id = "r1",
                   .triggered_by = "usr_1",
                   .owner_id = "usr_1",
                   .input = std::move(input),
                   .started_at = now_};
  const RunId id = record.id;
  insert(std::move(record));
  return id;
}

void SmallEngine::insert(RunRecord record) {
  Stored& run = runs_[record.id];
  run.journal.push_back({.seq = 1, .type = EventType::run_started, .at = record.started_at, .step = {}, .data = {}});
  run.record = std::move(record);
  take_up(run);
}

void SmallEngine::take_up(Stored& run) {
  run.execution =
      std::make_shared<Execution>(run.record, workflows_.at(run.record.type), fold_all(last_generation(run.journal)),
                                  Services{*this, random_, ids_, budgets_, kGrace});
  run.execution->start();
}

std::vector<Event> SmallEngine::last_generation(const std::vector<Event>& journal) {
  auto from = journal.end();
  while (from != journal.begin() && (--from)->type != EventType::run_continued) {
  }
  return {from, journal.end()};
}

void SmallEngine::send(Input input) {
  const auto found = runs_.find(input.run);
  if (found == runs_.end() || state(input.run).is_final()) return;
  input.id = ++last_input_;
  found->second.mailbox.push_back(std::move(input));
}

void SmallEngine::signal(const RunId& run, const std::string& name, json::Value payload, const std::string& key) {
  send({.run = run, .kind = InputKind::signal, .name = name, .key = key, .payload = std::move(payload), .at = now_});
}

void SmallEngine::cancel(const RunId& run) {
  send({.run = run, .kind = InputKind::cancel, .key = "cancel", .sender = "usr_1", .at = now_});
}

void SmallEngine::poke(const RunId& run) { runs_.at(run).execution->on_poke(); }

RunState SmallEngine::state(const RunId& run) const { return fold_all(runs_.at(run).journal); }

void SmallEngine::commit(Stored& run) {
  Pending pending = std::exchange(run.execution->pending(), {});
  for (auto& event : pending.events) run.journal.push_back(std::move(event));
  for (const auto id : pending.consumed)
    std::erase_if(run.mailbox, [id](const Input& input) { return input.id == id; });
  for (auto& record : pending.starts) insert(std::move(record));
  for (auto& input : pending.sends) send(std::move(input));
  const RunState& state = run.execution->state();
  const bool just_ended = !pending.events.empty() && state.is_final();
  if (!just_ended || run.record.parent_id.empty()) return;
  json::Object end{{"status", json::to_value(state.status)}, {"output", state.output}};
  if (state.failure) end["error"] = json::to_value(*state.failure);
  send({.run = RunId(run.record.parent_id),
        .kind = InputKind::child_ended,
        .key = run.record.id.str(),
        .payload = std::move(end),
        .at = now_});
}

bool SmallEngine::deliver(Stored& run) {
  if (run.mailbox.empty() || run.execution->wish() == Wish::parked) return false;
  const Input input = run.mailbox.front();
  run.execution->on_input(input);
  return true;
}

bool SmallEngine::fulfil(Stored& run) {
  Execution& execution = *run.execution;
  switch (execution.wish()) {
    case Wish::attempt: {
      auto call = execution.take_attempt();
      Returned returned{run.record.id, run.execution, call.id, call.call()};
      (std::exchange(hangs_, false) ? hanging_.push_back(std::move(returned))
                                    : returned_.push_back(std::move(returned)));
      most_attempts_under_way = std::max(most_attempts_under_way, attempts_under_way());
      return true;
    }
    case Wish::transaction:
      SLIPWAY_ASSERT(!"there is no store here");
      return false;
    case Wish::wake:
      if (execution.wake_at() > now_) return false;
      execution.on_wake();
      return true;
    default:
      return false;
  }
}

// One thing that can happen now; false when only time can move something.
bool SmallEngine::step() {
  for (auto& [id, run] : runs_) {
    if (run.execution == nullptr) continue;  // ended before the last crash
    if (!run.execution->pending().empty()) {
      commit(run);
      return true;
    }
    if (deliver(run) || fulfil(run)) return true;
  }
  if (returned_.empty()) return false;
  auto returned = std::move(returned_.front());
  returned_.pop_front();
  if (runs_.at(returned.run).execution == returned.execution)
    returned.execution->on_attempt(returned.attempt, std::move(returned.outcome));
  return true;
}

void SmallEngine::play(std::function<bool()> stop) {
  for (int steps = 0; !stop(); ++steps) {
    SLIPWAY_ASSERT(steps < kStepsMax);
    if (step()) continue;
    std::optional<Instant> next;
    for (const auto& [id, run] : runs_)
      if (run.execution && run.execution->wish() == Wish::wake)
        next = std::min(next.value_or(Instant::max()), run.execution->wake_at());
    if (!next) return;
    now_ = std::max(now_, *next);
  }
}

void SmallEngine::crash() {
  for (auto& [id, run] : runs_) run.execution.reset();
  returned_.clear();
  hanging_.clear();
  workflows_ = next_workflows_;
  for (auto& [id, run] : runs_)
    if (!state(id).is_final()) take_up(run);
}

void SmallEngine::release() {
  for (auto& returned : std::exchange(hanging_, {})) returned_.push_back(std::move(returned));
}

}  // namespace slipway::durable::testing
