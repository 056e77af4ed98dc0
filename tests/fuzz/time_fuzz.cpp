// Times and durations, as requests have them.

#include "base/time.h"
#include "fuzz.h"

SLIPWAY_FUZZ(input) {
  using namespace slipway;
  if (const auto at = base::parse_rfc3339(input))
    fuzz::must(base::parse_rfc3339(base::format_rfc3339(*at)) == at, "a time survives being printed and read");
  if (const auto duration = base::parse_duration(input)) {
    fuzz::must(*duration >= base::Duration(0), "a duration is never negative");
    fuzz::must(!base::format_duration(*duration).empty(), "a duration can be shown");
  }
}
