#pragma once
// The clocks on the walls of the world: IANA time zones, from the machine's tzdata.

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace slipway::durable {

// Cheap to copy; immutable, so any thread may use it.
class TimeZone {
 public:
  using Seconds = std::chrono::sys_seconds;
  using Civil = std::chrono::local_seconds;  // what a clock on the wall shows

  // By its IANA name, such as Europe/Berlin or UTC; empty when there is none of that name. What depends on the machine
  // (`localtime`, paths) is no name.
  static std::optional<TimeZone> find(const std::string& name);

  const std::string& name() const { return name_; }
  Civil civil(Seconds at) const;
  // The instant at which the clock shows `civil`: the first of two where the hour is repeated, and where it is skipped,
  // the first instant after the gap.
  Seconds instant(Civil civil) const;
  // The first instant after `at` at which the clock is set to another time; empty when it never is again.
  std::optional<Seconds> next_change(Seconds at) const;

 private:
  struct Zone;
  TimeZone(std::string name, std::shared_ptr<const Zone> zone) : name_(std::move(name)), zone_(std::move(zone)) {}

  std::string name_;
  std::shared_ptr<const Zone> zone_;
};

}  // namespace slipway::durable
