#pragma once
// What the tests of executions share: a small engine, and what they ask of its runs. For test programs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "durable/context.h"
#include "durable/testing/small_engine.h"

namespace slipway::durable::testing {

using Flow = durable::Run<json::Value>;  // a test has a Run of its own

inline base::Error lasting_error() { return base::Error(base::ErrorClass::user, "LASTING", "it will not pass"); }
inline base::Error passing_error() { return base::Error(base::ErrorClass::transient, "PASSING", "it will pass"); }

// 0, 1, 2 …
inline std::vector<std::int64_t> numbers(std::int64_t count) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < count; ++i) all.push_back(i);
  return all;
}

class ExecutionTest : public ::testing::Test {
 protected:
  RunState finish(const RunId& run) {
    engine_.play();
    return engine_.state(run);
  }
  RunState finish(const std::string& type) { return finish(engine_.start(type)); }
  std::size_t count(const RunId& run, EventType type) {
    return std::size_t(std::ranges::count(engine_.journal(run), type, &Event::type));
  }
  bool has_step(const RunId& run, std::string_view key) { return engine_.state(run).find(key) != nullptr; }

  SmallEngine engine_;
  std::vector<std::string> said_;
};

}  // namespace slipway::durable::testing
