#include "notify/workstation_mail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::notify {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

WorkstationReady ready() {
  return {.user_email = "jane@example.com",
          .name = "ws-jane-3f9c2k7v5m",
          .tier = "professional",
          .vcpus = 4,
          .memory_gb = 32,
          .disk_gb = 100,
          .machine_type = "e2-highmem-4",
          .launch_url = "https://ws-jane.cluster-1.cloudworkstations.dev/?a=1&b=2",
          .organization = "Acme"};
}

TEST(WorkstationMail, HasTheSpecificationAndTheButtonInBothParts) {  // WP-8
  const auto mail = render_workstation_ready(ready());
  EXPECT_EQ(mail.to, "jane@example.com");
  EXPECT_EQ(mail.subject, "Your workstation is ready: ws-jane-3f9c2k7v5m");
  for (const auto& part : {mail.html, mail.text})
    for (const char* fact :
         {"ws-jane-3f9c2k7v5m", "of Acme", "professional", "32 GB", "100 GB", "e2-highmem-4", "Launch Workstation"})
      EXPECT_THAT(part, HasSubstr(fact));
  EXPECT_THAT(mail.html, HasSubstr("href=\"https://ws-jane.cluster-1.cloudworkstations.dev/?a=1&amp;b=2\""));
  EXPECT_THAT(mail.text, HasSubstr("\nhttps://ws-jane.cluster-1.cloudworkstations.dev/?a=1&b=2\n"));
  EXPECT_THAT(mail.html, Not(HasSubstr("{{")));
  EXPECT_THAT(mail.text, Not(HasSubstr("{{")));
}

TEST(WorkstationMail, WhatWasOrderedCannotBecomeHtml) {
  auto evil = ready();
  evil.name = "<script>alert('1')</script>";
  evil.organization = "A & B \"Co\" {{tier}}";
  evil.launch_url = "https://h.example/\"onclick=\"x";
  const auto mail = render_workstation_ready(evil);
  EXPECT_THAT(mail.html, Not(HasSubstr("<script>")));
  EXPECT_THAT(mail.html, HasSubstr("A &amp; B &quot;Co&quot; {{tier}}"));
  EXPECT_THAT(mail.html, Not(HasSubstr("\"onclick")));
}

TEST(WorkstationMail, LineBreaksOfNamesDoNotReachTheSubject) {
  auto evil = ready();
  evil.name = "ws\r\nBcc: all@example.com";
  EXPECT_EQ(render_workstation_ready(evil).subject, "Your workstation is ready: ws  Bcc: all@example.com");
}

TEST(WorkstationMail, TheButtonLeadsToTheWebAlone) {
  for (const char* url : {"javascript:alert(1)", "data:text/html,x", "", "//h.example", "ftp://h.example",
                          "https://user@h.example/", "https://h.example/ x"}) {
    auto evil = ready();
    evil.launch_url = url;
    EXPECT_THROW(render_workstation_ready(evil), base::Error) << url;
  }
}

TEST(WorkstationMail, WithoutAnOrganizationItIsNobodys) {
  auto alone = ready();
  alone.organization.clear();
  EXPECT_THAT(render_workstation_ready(alone).text, HasSubstr("ws-jane-3f9c2k7v5m is running"));
}

}  // namespace
}  // namespace slipway::notify
