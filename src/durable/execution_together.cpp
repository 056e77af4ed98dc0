// Several things at a time: the items of a fan-out, and child runs.

#include "durable/execution.h"

namespace slipway::durable {
namespace {

bool is_error(const std::optional<Outcome>& outcome) {
  return outcome && std::holds_alternative<base::Error>(*outcome);
}

// What a child's end means to its parent.
Outcome to_outcome(const Input& ended) {
  const auto& end = ended.payload.as_object();
  const auto status = json::from_value<RunStatus>(end.at("status"));
  if (status == RunStatus::completed) return end.contains("output") ? end.at("output") : json::Value(nullptr);
  if (status == RunStatus::cancelled)
    return base::Error(base::ErrorClass::conflict, "CHILD_CANCELLED", "run '" + ended.key + "' was cancelled");
  const auto* error = end.if_contains("error");
  return to_error(error != nullptr && error->is_object() ? json::from_value<Failure>(*error, json::Mode::lenient)
                                                         : Failure{.code = "CHILD_FAILED", .message = ended.key});
}

}  // namespace

void FanOut::on_begin(Execution& run) { run.open_fan_out(*this); }
void ChildOperation::on_begin(Execution& run) { run.open_child(*this); }

// ---- fan-outs

void Execution::open_fan_out(FanOut& group) {
  const auto* step = state_.find(group.key);
  if (step != nullptr && step->items && *step->items != group.outcomes.size())
    return park("'" + group.key + "' had " + std::to_string(*step->items) + " items, and now it has " +
                std::to_string(group.outcomes.size()));
  group_ = group.outcome ? nullptr : &group;
  if (step != nullptr) recall_items(group);
  if (group.outcome || !park_reason_.empty()) return;
  if (unasked_ > 0) return park("'" + group.key + "' is asked for where the journal has others");
  if (step == nullptr && !state_.is_stopping())
    append(EventType::step_started, group.key,
           {{"kind", "fan_out"}, {"items", group.outcomes.size()}, {"width", group.wide.width}});
  go_on(group);
}

std::unique_ptr<Operation> Execution::make_item(FanOut& group, std::size_t index) {
  auto item = group.make_item(index);
  item->key = group.key + "[" + std::to_string(index) + "]";
  item->group = &group;
  item->index = index;
  return item;
}

// What the journal knows of the items: those that ended have their outcomes, children under way are expected.
void Execution::recall_items(FanOut& group) {
  std::size_t recorded = 0;
  for (std::size_t i = 0; i < group.outcomes.size() && unasked_ > 0; ++i) {
    auto item = make_item(group, i);
    if (!recall(*item)) continue;
    if (!park_reason_.empty()) return;
    Operation& operation = *item;
    group.under_way[i] = std::move(item);
    if (operation.outcome) {
      ++recorded;
      operation.on_begin(*this);
      item_ended(group, operation);
    } else if (operation.kind == StepKind::child) {
      operation.on_begin(*this);
    } else {
      group.under_way.erase(i);  // begun, and begins again when its turn comes
    }
  }
  group.closed = group.closed || state_.is_stopping();
  if (!group.closed || group.outcome) return;
  // Items were given out in order, so these and no others may have been under way when the process died: they end now,
  // and are undone with the rest.
  for (std::size_t i = 0; i < std::min(group.outcomes.size(), recorded + group.wide.width); ++i) {
    if (group.outcomes[i] || group.under_way.contains(i)) continue;
    auto item = make_item(group, i);
    if (item->kind == StepKind::child) continue;  // had it been started, the journal would know
    Operation& operation = *item;
    group.under_way[i] = std::move(item);
    operation.on_begin(*this);
    record_outcome(operation, Cancelled(), nullptr);
    item_ended(group, operation);
  }
}

void Execution::give_out(FanOut& group) {
  for (; !group.closed && group.next < group.outcomes.size() && group.under_way.size() < group.wide.width;
       ++group.next) {
    if (group.outcomes[group.next] || group.under_way.contains(group.next)) continue;
    auto& item = group.under_way[group.next] = make_item(group, group.next);
    item->on_begin(*this);
    if (item->kind != StepKind::child) decide(open_lane(item.get()));
  }
}

// Gives nothing more out. What is between two attempts ends as cancelled; what is under way may end, and when the run
// is stopped it is told to.
void Execution::close_group(FanOut& group) {
  group.closed = true;
  std::vector<std::int64_t> lanes;
  for (const auto& lane : lanes_) lanes.push_back(lane.id);
  for (const auto id : lanes) {
    Lane& lane = *find_lane(id);
    if (lane.phase != Lane::Phase::attempt) {
      Operation& item = *lane.operation;
      record_outcome(item, Cancelled(), &lane);
      close_lane(lane);
      item_ended(group, item);
    } else if (state_.is_stopping()) {
      lane.overdue.clear();
      lane.leave_at = services_.clock.monotonic() + services_.grace;
      lane.stop.request_stop();
    }
  }
}

void Execution::item_ended(FanOut& group, Operation& item) {
  const auto held = std::move(group.under_way.extract(item.index).mapped());
  group.outcomes[item.index] = item.outcome;
  if (const auto* result = std::get_if<json::Value>(&*item.outcome)) item.on_result(*this, *result);
  if (is_error(item.outcome) && group.wide.fails_fast && !group.closed) close_group(group);
}

// Gives out what there is room for, or ends the group when nothing is left to wait for.
void Execution::go_on(FanOut& group) {
  group.closed = group.closed || state_.is_stopping();
  give_out(group);
  if (!group.under_way.empty() || group.outcome) return;
  std::int64_t failed = 0;
  std::optional<base::Error> first;
  for (const auto& outcome : group.outcomes)
    if (is_error(outcome) && std::get<base::Error>(*outcome).code() != "CANCELLED") {
      if (failed++ == 0) first = std::get<base::Error>(*outcome);
    }
  group_ = nullptr;
  if (state_.is_stopping()) {
    record_outcome(group, Cancelled(), nullptr);
  } else if (group.wide.fails_fast && first) {
    record_outcome(group, *first, nullptr);
  } else {
    record_outcome(group, json::Object{{"items", group.outcomes.size()}, {"failed", failed}}, nullptr);
  }
  if (group.waiter) resume(group);
}

// ---- children

ChildOperation& Execution::keep(std::unique_ptr<ChildOperation> operation) {
  kept_.push_back(std::move(operation));
  return *kept_.back();
}

void Execution::open_child(ChildOperation& operation) {
  if (operation.outcome || !park_reason_.empty()) return;
  if (const auto* step = state_.find(operation.key); step != nullptr && !step->child.empty()) {
    operation.child = RunId(step->child);
    children_.push_back(&operation);
    return;
  }
  if (unasked_ > 0) return park("child '" + operation.key + "' is asked for where the journal has others");
  if (state_.is_stopping()) return record_outcome(operation, Cancelled(), nullptr);
  start_child(operation);
}

void Execution::start_child(ChildOperation& operation) {
  operation.child = services_.ids.make<RunId>();
  const auto& options = operation.options;
  RunRecord child = record_;  // the same person's, about the same thing
  child.id = operation.child;
  child.type = operation.type;
  child.input = operation.input;
  child.started_at = services_.clock.now();
  child.parent_id = record_.id.str();
  child.retry_of.clear();
  if (!options.resource_type.empty()) child.resource_type = options.resource_type;
  if (!options.resource_id.empty()) child.resource_id = options.resource_id;
  append(EventType::child_started, operation.key, {{"child", child.id.str()}, {"workflow", child.type}});
  pending_writes_.starts.push_back(std::move(child));
  children_.push_back(&operation);
}

bool Execution::expect(ChildOperation& operation) {
  if (!park_reason_.empty()) return false;
  if (!operation.outcome && state_.is_stopping() && !operation.is_attached()) {
    std::erase(children_, &operation);
    record_outcome(operation, Cancelled(), nullptr);
  }
  return operation.outcome.has_value();
}

void Execution::tell_children() {
  for (const auto* child : children_)
    if (child->is_attached())
      pending_writes_.sends.push_back({.run = child->child,
                                       .kind = InputKind::cancel,
                                       .key = "cancel",
                                       .sender = record_.id.str(),
                                       .at = services_.clock.now()});
}

void Execution::on_child_ended(const Input& input) {
  const auto found =
      std::ranges::find_if(children_, [&](const auto* child) { return child->child.str() == input.key; });
  if (found == children_.end()) return;  // told again, or the concern of an earlier generation
  ChildOperation& operation = **found;
  children_.erase(found);
  Outcome outcome = to_outcome(input);
  // Cancelled with its parent: the same to both.
  if (state_.is_stopping() && is_error(outcome) && std::get<base::Error>(outcome).code() == "CHILD_CANCELLED")
    outcome = Cancelled();
  record_outcome(operation, std::move(outcome), nullptr);
  ended(operation);
}

}  // namespace slipway::durable
