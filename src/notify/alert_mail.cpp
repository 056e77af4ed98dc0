#include "notify/alert_mail.h"

#include "notify/templates/template.h"

namespace slipway::notify {
namespace {

templates::Values values_of(const fleet::Alert& alert) {
  using templates::one_line;
  return {{"severity", boost::describe::enum_to_string(alert.severity, "")},
          {"kind", one_line(alert.kind)},
          {"resource", one_line(alert.resource_type + " " + alert.resource_id)},
          {"message", one_line(alert.message)},
          {"raised_at", base::format_rfc3339(alert.raised_at)},
          {"id", alert.id.str()}};
}

std::string subject_of(const std::vector<fleet::Alert>& alerts, std::int64_t further) {
  const auto& first = alerts.front();
  const auto others = std::int64_t(alerts.size()) - 1 + further;
  return "[" + std::string(boost::describe::enum_to_string(first.severity, "")) + "] " +
         templates::one_line(first.kind + " of " + first.resource_type + " " + first.resource_id) +
         (others > 0 ? ", and " + std::to_string(others) + " more" : "");
}

}  // namespace

Mail render_alerts(const std::string& to, const std::vector<fleet::Alert>& alerts, std::int64_t further,
                   const std::string& hub) {
  std::string html_rows, text_rows;
  for (const auto& alert : alerts) {
    const auto values = values_of(alert);
    html_rows += templates::fill("alert_row.html", templates::escape_html(values));
    text_rows += templates::fill("alert_row.txt", values);
  }
  const templates::Values values{
      {"subject", subject_of(alerts, further)},
      {"further", further > 0 ? std::to_string(further) + " more are told in the next mail. " : ""},
      {"hub", templates::one_line(hub)}};
  auto html = templates::escape_html(values);
  html["rows"] = html_rows;
  auto text = values;
  text["rows"] = text_rows;
  return {.to = to,
          .subject = values.at("subject"),
          .html = templates::fill("alerts.html", html),
          .text = templates::fill("alerts.txt", text),
          .message_id = alerts.front().id.str() + "." + std::to_string(alerts.size())};
}

}  // namespace slipway::notify
