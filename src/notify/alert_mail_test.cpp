#include "notify/alert_mail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::notify {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

fleet::Alert alert(const std::string& id, const std::string& message) {
  return {.id = fleet::AlertId(id),
          .kind = "workstation.failed",
          .severity = fleet::AlertSeverity::critical,
          .resource_type = "workstation",
          .resource_id = "ws-1",
          .message = message,
          .raised_at = *base::parse_rfc3339("2026-03-05T09:07:00Z")};
}

TEST(AlertMail, TellsOfEachAndOfHowManyMore) {
  const auto mail = render_alerts("ops@example.com", {alert("alr_1", "no permission"), alert("alr_2", "no network")}, 3,
                                  "https://hub.example");
  EXPECT_EQ(mail.subject, "[critical] workstation.failed of workstation ws-1, and 4 more");
  EXPECT_EQ(mail.message_id, "alr_1.2");
  for (const auto& part : {mail.html, mail.text})
    for (const char* fact :
         {"no permission", "no network", "alr_2", "2026-03-05T09:07:00.000Z", "3 more are told", "https://hub.example"})
      EXPECT_THAT(part, HasSubstr(fact));
}

TEST(AlertMail, WhatACloudSaidCannotBecomeHtmlOrAHeader) {
  const auto mail = render_alerts("ops@example.com", {alert("alr_1", "<b>\r\nBcc: x</b>")}, 0, "");
  EXPECT_THAT(mail.html, Not(HasSubstr("<b>")));
  EXPECT_THAT(mail.html, HasSubstr("&lt;b&gt;  Bcc: x"));
  EXPECT_EQ(mail.subject, "[critical] workstation.failed of workstation ws-1");
}

}  // namespace
}  // namespace slipway::notify
