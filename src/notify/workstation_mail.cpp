#include "notify/workstation_mail.h"

#include "net/http.h"
#include "net/url.h"
#include "notify/templates/template.h"

namespace slipway::notify {
namespace {

void check_launch_url(const std::string& url) {
  const auto parsed = net::parse_url(url);
  if (!parsed || (parsed->scheme != "https" && parsed->scheme != "http") || !net::is_valid_utf8(url))
    throw base::validation_error("launch_url", "must be a URL that begins with https:// or http://");
  if (parsed->has_user) throw base::validation_error("launch_url", "must not carry a user or password");
}

}  // namespace

Mail render_workstation_ready(const WorkstationReady& ready) {
  using templates::one_line;
  check_launch_url(ready.launch_url);
  const auto name = one_line(ready.name);
  const templates::Values values{
      {"name", name},
      {"of_organization", ready.organization.empty() ? "" : " of " + one_line(ready.organization)},
      {"tier", one_line(ready.tier)},
      {"vcpus", std::to_string(ready.vcpus)},
      {"memory_gb", std::to_string(ready.memory_gb)},
      {"disk_gb", std::to_string(ready.disk_gb)},
      {"machine_type", one_line(ready.machine_type)},
      {"launch_url", ready.launch_url}};
  return {.to = ready.user_email,
          .subject = "Your workstation is ready: " + name,
          .html = templates::fill("workstation_ready.html", templates::escape_html(values)),
          .text = templates::fill("workstation_ready.txt", values),
          .message_id = {}};
}

}  // namespace slipway::notify
