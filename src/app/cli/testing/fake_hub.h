#pragma once
// A hub that answers as a test says and remembers what it was asked; and a command line around it without a terminal.

#include <deque>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "app/cli/command_line.h"

namespace slipway::app::cli::testing {

class FakeHub {
 public:
  // Answers to `method target` in order; the last one is given again and again.
  void answer(const std::string& method_and_target, Answer answer);
  void data(const std::string& method_and_target, const std::string& json);  // 200 with this `data`
  void fail(const std::string& method_and_target, int status, const std::string& code, const std::string& message);
  void lose(const std::string& method_and_target);  // no answer: the connection breaks

  std::vector<Call> calls;
  const Call& call(const std::string& method_and_target) const;  // the last such; fails the test when there is none
  std::size_t count(const std::string& method_and_target) const;

  Answer take(const Call& call);

 private:
  std::map<std::string, std::deque<Answer>> answers_;
};

std::string header(const Call& call, const std::string& name);

class FakeClock final : public base::Clock {
 public:
  base::Instant now() const override { return at; }
  base::Instant at = *base::parse_rfc3339("2025-01-12T10:00:00Z");
};

// Runs commands against the fake. Time passes only by sleeping.
class Bench {
 public:
  Bench();
  int run(std::vector<std::string> arguments);

  FakeHub hub;
  FakeClock clock;
  std::map<std::string, std::string> environment{{"SLIPWAY_URL", "http://hub.test"}, {"SLIPWAY_KEY", "slk_test"}};
  std::string typed;  // stdin
  bool has_terminal = false;
  std::string out, err;  // of the last run
  int sleeps = 0;

 private:
  base::SeededRandom random_{1};
};

}  // namespace slipway::app::cli::testing
