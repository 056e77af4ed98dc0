#pragma once
// The protocol of provisioners (RUN-20): one session for one job. First Config, then Parse, Plan and Apply, one at a
// time, and Cancel at any moment. Each request is answered with any number of Log and StateWritten messages and then
// exactly one completion; Cancel has no answer of its own: the request under way still ends with its completion.
// Over stdio each message is one line of JSON with a member `type` (codec.h, docs/provisioners.md).
//
// Whoever opens a session has put the template's files into `Config::directory`, a folder of mode 0700 that is this
// session's alone and goes with it. Files are handed over by path: no message has a size limit to work around.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "fleet/job_messages.h"

namespace slipway::provisioner {

using fleet::NamedValue;
using fleet::Resource;

inline constexpr std::int64_t kProtocolVersion = 1;

// ---- to the provisioner

// Where Terraform keeps a state while it works: its `http` backend on the hub.
struct StateBackend {
  std::string address;
  std::string username;
  std::string password;
  std::string ca_file;  // PEM; empty: the system's
};
SLIPWAY_JSON_CAMEL(StateBackend, address, username, password, ca_file)

struct Config {
  std::int64_t protocol = kProtocolVersion;
  std::string directory;
  std::string state_file;                     // what an earlier build left; empty: nothing
  std::optional<StateBackend> state_backend;  // of builds; a provisioner that can use it does
  std::string cache_directory;                // for what is worth keeping between sessions; shared with other sessions
  bool debug = false;                         // debug lines are wanted
  std::string trace;                          // W3C traceparent, for the environment of what is run
};
SLIPWAY_JSON_CAMEL(Config, protocol, directory, state_file, state_backend, cache_directory, debug, trace)

struct Parse {};
SLIPWAY_JSON_CAMEL(Parse)

struct Plan {
  fleet::JobMetadata metadata;
  std::vector<NamedValue> variables;
  std::vector<NamedValue> parameters;
  std::vector<NamedValue> previous_parameters;
};
SLIPWAY_JSON_CAMEL(Plan, metadata, variables, parameters, previous_parameters)

// Carries out the plan of the same session.
struct Apply {};
SLIPWAY_JSON_CAMEL(Apply)

struct Cancel {};
SLIPWAY_JSON_CAMEL(Cancel)

using Request = std::variant<Config, Parse, Plan, Apply, Cancel>;

// ---- from the provisioner

// The first message: before it nothing is sent.
struct Hello {
  std::int64_t protocol = kProtocolVersion;
  std::string provisioner;  // its type
  std::string version;
  // An apply that was cut off may be done again from the state that was written last, without making anything twice.
  bool repeatable = false;
  // It applies under the lock of Config::state_backend, and writes its states there: nobody else begins before it has
  // let go. So it may end by itself what it does when its daemon has lost the job.
  bool locks_state = false;
};
SLIPWAY_JSON_CAMEL(Hello, protocol, provisioner, version, repeatable, locks_state)

struct Log {
  fleet::LogLevel level = fleet::LogLevel::info;
  std::string output;  // one line
};
SLIPWAY_JSON_CAMEL(Log, level, output)

// The state has changed while the request is under way: to be kept before anything else happens. Who gets it pauses the
// session within on_message (Session::pause) until it is kept; then the provisioner is told, and may make what the
// state announces. Not said where Config::state_backend is used. The file may be written anew then.
struct StateWritten {
  std::string file;
};
SLIPWAY_JSON_CAMEL(StateWritten, file)

// Set where the failure arises; the runner passes it on (RUN-14).
struct Problem {
  std::string code = "PROVISIONER_FAILED";
  base::ErrorClass error_class = base::ErrorClass::user;
  std::string message;
};
SLIPWAY_JSON_CAMEL(Problem, code, error_class, message)

struct ParseComplete {
  std::optional<Problem> error;
  fleet::ParsedTemplate parsed;
};
SLIPWAY_JSON_CAMEL(ParseComplete, error, parsed)

struct PlanComplete {
  std::optional<Problem> error;
  std::vector<Resource> resources;  // as they will be after an apply, with what will be done; daily costs if known
  // The values that were planned with, where the provisioner has set some by itself.
  std::vector<NamedValue> parameters;
};
SLIPWAY_JSON_CAMEL(PlanComplete, error, resources, parameters)

// Also after a failure: with what is there, and the state as far as it came (RUN-12).
struct ApplyComplete {
  std::optional<Problem> error;
  std::vector<Resource> resources;
  std::map<std::string, std::string> outputs;
  std::string state_file;         // empty: none, or in the backend
  bool state_in_backend = false;  // the last state has been written there
};
SLIPWAY_JSON_CAMEL(ApplyComplete, error, resources, outputs, state_file, state_in_backend)

using Message = std::variant<Hello, Log, StateWritten, ParseComplete, PlanComplete, ApplyComplete>;

// ---- the two ends in C++

// What a session tells. Called on any thread, one at a time and in order.
struct SessionEvents {
  std::function<void(Message)> on_message;
  // The last call: after close() without an error, else with what broke (PROVISIONER_DIED, PROTOCOL_ERROR …). Nothing
  // that the session has started is left by then.
  std::function<void(std::optional<base::Error>)> on_closed;
};

// No provisioner's own bound to end is longer (Session::close): longer than a Terraform that is interrupted has to end,
// and then to hand on its last state.
inline constexpr base::Duration kEndBound = std::chrono::minutes(10);

class Session {
 public:
  // Without close() before: as close(true), and waits for its end.
  virtual ~Session() = default;
  // Thread-safe, never blocks. What does not fit the order above ends the session with PROTOCOL_ERROR.
  virtual void send(Request request) = 0;
  // Back-pressure: while paused, a session soon stops reading what its provisioner says. Thread-safe.
  virtual void pause(bool paused) = 0;
  // Ends the session. Gently: the request under way is cancelled and has the provisioner's own bound to end. By force:
  // everything is killed at once. May be called again, to force.
  virtual void close(bool force) = 0;
};

// One kind of provisioner. Thread-safe.
class Provisioner {
 public:
  virtual ~Provisioner() = default;
  virtual std::string_view type() const = 0;
  // Throws PROVISIONER_UNAVAILABLE with what is missing on this machine and what to do about it.
  virtual void check() const = 0;
  virtual std::unique_ptr<Session> open(SessionEvents events) = 0;
};

}  // namespace slipway::provisioner
