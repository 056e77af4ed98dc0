#pragma once
// What the database says of every run, one line of JSON for each: its row, what its journal has of it, and where the
// two disagree.

#include <iosfwd>
#include <string>
#include <vector>

#include "base/json.h"
#include "store/store.h"

namespace slipway::chaos {

struct Completion {
  std::string step;
  base::Instant at;
};
SLIPWAY_JSON_SNAKE(Completion, step, at)

struct Finding {
  std::string run;
  std::string key;  // under which the test asked for it
  std::string status;
  json::Value input;
  json::Value output;
  std::vector<Completion> completions;
  std::vector<std::string> last_events;  // for whoever asks why it stands still
  std::vector<std::string> violations;
};
SLIPWAY_JSON_SNAKE(Finding, run, key, status, input, output, completions, last_events, violations)

void check_all(store::Database& database, std::ostream& out);

}  // namespace slipway::chaos
