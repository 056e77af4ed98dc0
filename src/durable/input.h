#pragma once
// What is said to a run from outside: a cancel, a signal, the end of a child. An input is a row of the run's mailbox
// from the commit that acknowledges it until the commit in which the run takes it in; whichever replica advances the
// run, it arrives, once, in the order in which one sender sent it.

#include <boost/describe/enum.hpp>
#include <string>

#include "base/id.h"
#include "base/json.h"
#include "base/time.h"

namespace slipway::durable {

enum class InputKind {
  cancel,       // `sender` wishes it
  signal,       // `name`, `payload`
  child_ended,  // `key` is the child's id; payload: {status, output, error}
};
BOOST_DESCRIBE_ENUM(InputKind, cancel, signal, child_ended)

struct Input {
  std::int64_t id = 0;  // given by the store; 0 for one that needed no mailbox
  base::RunId run;
  InputKind kind = InputKind::signal;
  std::string name;
  std::string key;  // a second input with the same key, unless empty, is taken for the first one sent again
  json::Value payload;
  std::string sender;  // a user's or a run's id
  base::Instant at;
};

}  // namespace slipway::durable
