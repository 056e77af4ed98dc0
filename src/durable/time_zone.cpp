#include "durable/time_zone.h"

#include <absl/time/civil_time.h>
#include <absl/time/time.h>

namespace slipway::durable {
namespace {

constexpr std::size_t kNameMax = 64;  // the longest of today has 32

absl::Time to_absl(TimeZone::Seconds at) { return absl::FromUnixSeconds(at.time_since_epoch().count()); }
TimeZone::Seconds from_absl(absl::Time at) { return TimeZone::Seconds(std::chrono::seconds(absl::ToUnixSeconds(at))); }

// A CivilSecond that is made of nothing is 1970-01-01 00:00:00.
absl::CivilSecond to_absl(TimeZone::Civil civil) { return absl::CivilSecond() + civil.time_since_epoch().count(); }
TimeZone::Civil from_absl(absl::CivilSecond civil) {
  return TimeZone::Civil(std::chrono::seconds(civil - absl::CivilSecond()));
}

bool is_name(const std::string& text) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  if (text.empty() || text.size() > kNameMax || kLetters.find(text.front()) == std::string_view::npos) return false;
  if (text == "localtime" || text == "posixrules" || text.starts_with("Fixed/")) return false;
  return text.find_first_not_of(std::string(kLetters) + "0123456789_+-/") == std::string::npos;
}

}  // namespace

struct TimeZone::Zone {
  absl::TimeZone zone;
};

std::optional<TimeZone> TimeZone::find(const std::string& name) {
  auto zone = std::make_shared<Zone>();
  if (!is_name(name) || !absl::LoadTimeZone(name, &zone->zone)) return std::nullopt;
  return TimeZone(name, std::move(zone));
}

TimeZone::Civil TimeZone::civil(Seconds at) const { return from_absl(zone_->zone.At(to_absl(at)).cs); }

TimeZone::Seconds TimeZone::instant(Civil civil) const {
  const auto found = zone_->zone.At(to_absl(civil));
  return from_absl(found.kind == absl::TimeZone::TimeInfo::SKIPPED ? found.trans : found.pre);
}

std::optional<TimeZone::Seconds> TimeZone::next_change(Seconds at) const {
  absl::TimeZone::CivilTransition change;
  absl::Time from = to_absl(at);
  while (zone_->zone.NextTransition(from, &change)) {
    const absl::Time when = zone_->zone.At(change.to).trans;
    if (change.from != change.to) return from_absl(when);
    from = when;  // only the zone's abbreviation changed
  }
  return std::nullopt;
}

}  // namespace slipway::durable
