#pragma once
// What makes machines on one kind of backend. A new provider is one folder and one line in the wiring.
//
// Every call may block for as long as the backend takes and is made from a worker thread, several at once for different
// machines and never two at once for one machine. Every call is idempotent: it may be repeated at any time, also after
// a crash in the middle of it, and ends with the same one machine. Failures are base::Error with the class set.

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/secret.h"
#include "base/time.h"

namespace slipway::providers {

// What a machine is made from. `name` is chosen before the first call and identifies the machine for ever: creating the
// same name again means adopting what is there.
struct MachineSpec {
  std::string name;          // an RFC 1035 label, at most 63 characters
  std::string machine_type;  // one of the provider's `machine_types()`
  std::string image_tag;     // what runs on it; providers without images ignore it
  std::string zone;
  std::map<std::string, std::string> labels;       // who owns it: to find and adopt machines without a record
  std::map<std::string, std::string> environment;  // for the user's processes
  std::string hub_url;                             // where the agent calls out to; unix:PATH or ws(s)://HOST:PORT
  base::Secret agent_token;                        // one-time; the agent exchanges it for its own credential
};

enum class MachineState {
  absent,  // no such machine (its home may still exist)
  starting,
  running,
  suspended,  // memory kept
  stopped,    // only the home is kept
  failed,     // it died by itself: `detail` says how
};
BOOST_DESCRIBE_ENUM(MachineState, absent, starting, running, suspended, stopped, failed)

struct MachineStatus {
  MachineState state = MachineState::absent;
  std::string detail;  // for people
  std::optional<base::Instant> since;
  // What the machine is held to, and what it is not (limits that this host cannot enforce, and why).
  std::map<std::string, std::string> limits;
};
SLIPWAY_JSON_SNAKE(MachineStatus, state, detail, since, limits)

struct MachineType {
  std::string name;
  double cpus = 0;
  std::int64_t memory_mb = 0;
  std::int64_t processes_max = 0;
};
SLIPWAY_JSON_SNAKE(MachineType, name, cpus, memory_mb, processes_max)

class Provider {
 public:
  virtual ~Provider() = default;
  virtual std::string_view name() const = 0;  // "sandbox"
  // Its machines are on the hub's own host: another hub on the same database can say nothing of them.
  virtual bool is_local() const { return false; }
  virtual std::vector<MachineType> machine_types() const = 0;
  virtual std::string default_zone() const = 0;

  // Refuses a spec that can never work (VALIDATION_ERROR naming the field), before anything is made.
  virtual void validate(const MachineSpec& spec) const = 0;
  // Makes the machine and its home and starts it; or adopts it when it is there. `stop` asks to give up early.
  virtual void create(const MachineSpec& spec, std::stop_token stop) = 0;
  // Starts or resumes a machine whose home exists; makes it anew around that home when only the home is left.
  virtual void start(const MachineSpec& spec, std::stop_token stop) = 0;
  // Frees everything but the home. Absent is fine.
  virtual void stop(const std::string& name, std::stop_token stop) = 0;
  // Keeps memory, frees the processor. Throws SUSPEND_UNSUPPORTED (class user) where that cannot be.
  virtual void suspend(const std::string& name, std::stop_token stop) = 0;
  // Takes the machine and its home away. Absent is fine.
  virtual void destroy(const std::string& name, std::stop_token stop) = 0;
  virtual MachineStatus status(const std::string& name) const = 0;
  // Every machine that this provider knows of, with the labels it was made with: for adoption and drift.
  struct Listed {
    std::string name;
    MachineStatus status;
    std::map<std::string, std::string> labels;
  };
  virtual std::vector<Listed> list() const = 0;
};

}  // namespace slipway::providers
