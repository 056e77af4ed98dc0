#include "check.h"

#include <algorithm>
#include <ostream>

#include "durable/run_list.h"

namespace slipway::chaos {
namespace {

using durable::Event;
using durable::EventType;
using durable::RunState;
using durable::journal::Row;

constexpr std::int64_t kPage = 200;
constexpr std::size_t kLastEvents = 6;

template <class Enum>
std::string name_of(Enum value) {
  return boost::describe::enum_to_string(value, "?");
}

bool same(const std::optional<durable::Failure>& left, const std::optional<durable::Failure>& right) {
  if (left.has_value() != right.has_value()) return false;
  return !left || (left->code == right->code && left->message == right->message);
}

// fold(journal) = row.
void compare(const Row& row, const RunState& state, std::vector<std::string>& violations) {
  const auto differ = [&](const std::string& what) { violations.push_back("journal and row differ in " + what); };
  if (state.status != row.status) differ("status: " + name_of(state.status) + ", " + name_of(row.status));
  if (state.is_final() != row.completed_at.has_value()) differ("having ended");
  if (!state.is_final()) return;
  if (state.output != row.output) differ("output");
  if (!same(state.failure, row.failure)) differ("failure");
  if (state.failed_step != row.failed_step) differ("failed step");
  if (state.needs_attention != row.needs_attention) differ("needing attention");
  if (state.ended_at != row.completed_at) differ("the time of the end");
  if (row.parked_reason) differ("being parked: " + *row.parked_reason);
}

std::string describe(const Event& event) {
  return std::to_string(event.seq) + " " + base::format_rfc3339(event.at) + " " + name_of(event.type) + " " +
         event.step + " " + json::print_value(event.data);
}

Finding examine(const Row& row, const std::vector<Event>& events) {
  Finding finding{.run = row.record.id.str(),
                  .key = row.record.resource_id,
                  .status = name_of(row.status),
                  .input = row.record.input,
                  .output = row.output};
  for (const Event& event : events) {
    if (event.type != EventType::step_completed) continue;
    if (std::ranges::count(finding.completions, event.step, &Completion::step) > 0)
      finding.violations.push_back("step " + event.step + " completed twice");
    finding.completions.push_back({event.step, event.at});
  }
  const std::size_t first = events.size() - std::min(events.size(), kLastEvents);
  for (std::size_t i = first; i < events.size(); ++i) finding.last_events.push_back(describe(events[i]));
  if (row.parked_reason) finding.violations.push_back("parked: " + *row.parked_reason);
  try {
    compare(row, durable::fold_all(events), finding.violations);
  } catch (const std::exception& error) {
    finding.violations.push_back(std::string("the journal cannot be folded: ") + error.what());
  }
  return finding;
}

}  // namespace

void check_all(store::Database& database, std::ostream& out) {
  for (std::string after;;) {
    std::vector<Finding> findings;
    database.read_and_wait([&](store::Transaction& tx) {
      findings.clear();
      for (const Row& row : durable::journal::list(tx, {.after = after, .limit = kPage}))
        findings.push_back(examine(row, durable::journal::events(tx, row.record.id)));
    });
    if (findings.empty()) return;
    for (const Finding& finding : findings) out << json::print(finding) << "\n";
    after = findings.back().run;
  }
}

}  // namespace slipway::chaos
