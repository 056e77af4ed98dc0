#include "durable/run_retry.h"

#include <algorithm>
#include <map>
#include <set>

#include "durable/journal.h"
#include "durable/queue.h"
#include "durable/queue_store.h"

namespace slipway::durable {
namespace {

constexpr int kForebearsMax = 1'000;  // of a run that is retried again and again; the walk up ends somewhere

bool is_outcome(EventType type) {
  return type == EventType::step_completed || type == EventType::step_failed || type == EventType::step_cancelled;
}

bool is_of_step(const Event& event) {
  return !event.step.empty() && event.type != EventType::value_recorded;  // there it is the value's name
}

// What a replay needs to find. Everything else informs, or is about how the old run ended.
bool is_replayed(const Event& event) {
  if (event.type == EventType::step_started) {
    const auto* kind = event.data.if_contains("kind");
    return kind != nullptr && *kind == "fan_out";  // its items stand under it
  }
  return is_outcome(event.type) || event.type == EventType::value_recorded ||
         event.type == EventType::signal_received || event.type == EventType::child_started;
}

// Where the steps of a generation begin and end in it.
struct Places {
  std::map<std::string, std::size_t, std::less<>> first, outcome;
};

Places places_of(const std::vector<Event>& events) {
  Places places;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (!is_of_step(events[i])) continue;
    places.first.emplace(events[i].step, i);
    if (is_outcome(events[i].type)) places.outcome.emplace(events[i].step, i);
  }
  return places;
}

// How many of the events hold, and are from before `from_step`.
std::size_t cut_of(const std::vector<Event>& events, const RunState& state, const Places& places,
                   const std::string& from_step) {
  std::size_t cut = events.size();
  const auto end_before = [&](const std::string& step) {
    if (const auto found = places.first.find(step); found != places.first.end()) cut = std::min(cut, found->second);
  };
  end_before(from_step);
  if (!places.first.contains(from_step)) end_before(state.failed_step);
  const auto stop = std::ranges::find_if(events, [](const Event& event) {
    return event.type == EventType::cancel_requested || event.type == EventType::run_timed_out;
  });
  cut = std::min(cut, std::size_t(stop - events.begin()));
  for (const auto& step : state.steps)
    if (step.undone || step.undo_attempts > 0 || step.status == StepStatus::compensation_failed) end_before(step.key);
  // A child without an end by then told it to the old run, or never will. Who is left away may leave others without.
  for (bool changed = true; std::exchange(changed, false);)
    for (const auto& step : state.steps) {
      if (step.child.empty() || places.first.at(step.key) >= cut) continue;
      const auto end = places.outcome.find(step.key);
      if (end != places.outcome.end() && end->second < cut) continue;
      end_before(step.key);
      changed = true;
    }
  return cut;
}

// Writes the events that hold as those of the new run.
class Copier {
 public:
  Copier(const RunId& old, Instant now) : old_(old), now_(now) {}

  void add(const Event& event) {
    Event copy = event;
    copy.seq = std::int64_t(copied_.size()) + 2;
    copy.at = now_;
    if (event.type == EventType::run_continued) begin_generation(copy);
    if (event.type == EventType::signal_received) signals_[event.seq] = copy.seq;
    if (auto* signal = copy.data.if_contains("signal"); signal != nullptr && is_outcome(event.type))
      *signal = signals_.at(signal->to_number<std::int64_t>());
    if (is_outcome(event.type) || event.type == EventType::child_started) {
      copy.data.erase("startedAt");  // it took the new run no time
      if (!copy.data.contains("takenOver")) copy.data["takenOver"] = {{"run", old_.str()}, {"seq", event.seq}};
    }
    copied_.push_back(std::move(copy));
  }
  std::vector<Event> take() { return std::move(copied_); }

 private:
  // Signals that came along from an earlier generation get numbers that no event has.
  void begin_generation(Event& copy) {
    copy.data["startedAt"] = json::to_value(now_);
    auto* carried = copy.data.if_contains("signals");
    if (carried == nullptr) return;
    for (auto& signal : carried->as_array()) {
      auto& seq = signal.as_object().at("seq");
      const auto other = -std::int64_t(signals_.size()) - 1;
      signals_[seq.to_number<std::int64_t>()] = other;
      seq = other;
    }
  }

  const RunId& old_;
  const Instant now_;
  std::vector<Event> copied_;
  std::map<std::int64_t, std::int64_t> signals_;  // from the old number of its event to the new one
};

std::vector<std::string> names_of(const RunState& state, const std::vector<std::string>& outline) {
  std::vector<std::string> names;
  for (const auto& step : state.steps) names.push_back(step.key);
  for (const auto& name : outline)
    if (state.find(name) == nullptr) names.push_back(name);
  return names;
}

void check_name(const std::string& from_step, const std::vector<std::string>& names) {
  constexpr std::size_t kNamesShown = 100;
  if (std::ranges::find(names, from_step) != names.end()) return;
  json::Array known;
  for (const auto& name : names)
    if (known.size() < kNamesShown) known.emplace_back(std::string_view(name));
  throw base::validation_error("fromStep", "is no step of the run", std::move(known));
}

// `name` of "name[3]"; empty when the key is not an item's.
std::string group_of(const std::string& key) {
  return key.ends_with(']') ? key.substr(0, key.rfind('[')) : std::string();
}

// The first run of the family: the retries of one run, their retries, and so on.
RunId eldest_of(store::Transaction& tx, const RunId& run) {
  RunId eldest = run;
  for (int i = 0; i < kForebearsMax; ++i) {
    const auto rows =
        tx.query("SELECT f.id FROM runs r JOIN runs f ON f.id = r.retry_of WHERE r.id = $1", {eldest.str()});
    if (rows.empty()) break;
    eldest = RunId(rows.front().text(0));
  }
  return eldest;
}

void refuse_if_any_at_work(store::Transaction& tx, const RunId& eldest) {
  const auto at_work = tx.query(
      "WITH RECURSIVE family(id) AS (SELECT id FROM runs WHERE id = $1 "
      "UNION SELECT r.id FROM runs r JOIN family ON r.retry_of = family.id) "
      "SELECT r.id FROM runs r JOIN family ON r.id = family.id WHERE r.completed_at IS NULL LIMIT 1",
      {eldest.str()});
  if (at_work.empty()) return;
  const auto& id = at_work.front().text(0);
  throw base::Error(base::ErrorClass::conflict, "CONFLICT", "run '" + id + "' does it again already, and is at work",
                    json::Object{{"run", id}});
}

journal::Row row_to_retry(store::Transaction& tx, const RunId& run) {
  auto row = journal::find(tx, run);
  if (!row) throw base::not_found("run", run.str());
  if (!row->completed_at) throw base::invalid_state("the run has not ended yet; only what has failed can be retried");
  if (row->status == RunStatus::completed)
    throw base::invalid_state("the run has completed; only what has failed or was cancelled can be retried");
  return *std::move(row);
}

}  // namespace

RetryPlan plan_retry(const RunId& old, const std::vector<Event>& journal, const std::vector<std::string>& outline,
                     const std::string& from_step, Instant now) {
  auto begin = journal.begin();
  for (auto event = journal.begin(); event != journal.end(); ++event)
    if (event->type == EventType::run_continued) begin = event;
  const std::vector<Event> events(begin, journal.end());
  const RunState state = fold_all(events);
  const auto names = names_of(state, outline);
  RetryPlan plan;
  if (from_step.empty()) {
    if (!outline.empty() || !names.empty()) plan.starts_at = outline.empty() ? names.front() : outline.front();
    return plan;
  }
  check_name(from_step, names);
  const auto places = places_of(events);
  const auto cut = cut_of(events, state, places, from_step);
  Copier copier(old, now);
  for (std::size_t i = 0; i < cut; ++i)
    if (is_replayed(events[i]) || events[i].type == EventType::run_continued) copier.add(events[i]);
  plan.events = copier.take();

  const auto is_taken = [&](const std::string& step) {
    const auto outcome = places.outcome.find(step);
    return outcome != places.outcome.end() && outcome->second < cut;
  };
  for (const auto& name : names) {
    if (!is_taken(name)) {
      if (plan.starts_at.empty()) plan.starts_at = name;
    } else if (!is_taken(group_of(name))) {
      plan.taken_over.push_back(name);
    }
  }
  return plan;
}

Retried insert_retry(store::Transaction& tx, const RetryRequest& request,
                     const std::function<const Workflow*(const std::string& type)>& find_workflow) {
  const RunId eldest = eldest_of(tx, request.of);
  journal::find_for_update(tx, eldest);  // one retry of a family at a time
  const auto old = row_to_retry(tx, request.of);
  refuse_if_any_at_work(tx, eldest);
  const auto* workflow = find_workflow(old.record.type);
  if (workflow == nullptr) throw base::invalid_state("this hub knows no workflow '" + old.record.type + "' any more");
  auto plan = plan_retry(request.of, journal::events(tx, request.of), workflow->outline, request.from_step, request.at);

  RunRecord record = old.record;
  record.id = request.id;
  record.triggered_by = request.by;
  record.started_at = request.at;
  record.replica = request.replica;
  record.witness = request.witness;
  record.trace = request.trace;
  record.parent_id.clear();  // that has been told of the old one's end
  record.retry_of = request.of.str();
  if (!record.queue.empty() && queues::find(tx, record.queue))
    record.ticket = std::make_shared<const Ticket>(Ticket{.queue = record.queue, .key = record.owner_id});
  record.queue = record.ticket ? record.queue : "";
  record.inherited =
      std::make_shared<const Inherited>(Inherited{.from_step = request.from_step, .events = std::move(plan.events)});
  journal::insert_run(tx, record);
  if (workflow->on_retry)
    workflow->on_retry(tx, record.input, {.run = record.id, .retry_of = request.of, .at = request.at});
  return {
      .record = std::move(record), .taken_over = std::move(plan.taken_over), .starts_at = std::move(plan.starts_at)};
}

std::optional<RunId> retried_by(store::Transaction& tx, const RunId& run) {
  const auto rows = tx.query("SELECT id FROM runs WHERE retry_of = $1 ORDER BY id DESC LIMIT 1", {run.str()});
  if (rows.empty()) return std::nullopt;
  return RunId(rows.front().text(0));
}

}  // namespace slipway::durable
