# Task events of one region for cloud-assistant-exporter: a rule on the bus "default", and a queue that the exporter
# fetches them from, or an HTTP target that they are sent to. docs/events.md says the same in the console's words.
#
# One region:
#
#   module "cloud_assistant_events" {
#     source    = "./deploy/terraform/events"
#     role_name = module.cloud_assistant_exporter.role_name
#   }
#
# Many: a provider for each region, and the module once with each. Rules, buses and queues are of one region; the
# policy is of the account, and made once.
#
#   module "cloud_assistant_events_beijing" {
#     source    = "./deploy/terraform/events"
#     providers = { alicloud = alicloud.beijing }
#   }

terraform {
  required_version = ">= 1.3"
  required_providers {
    alicloud = {
      source  = "aliyun/alicloud"
      version = ">= 1.252.0"
    }
  }
}

variable "name" {
  description = "Name of the rule and of the queue: events.queue of the exporter's account."
  type        = string
  default     = "cloud-assistant-events"
}

variable "role_name" {
  description = "The exporter's RAM role, to which the policy for the queue is attached; null where another region's module does it."
  type        = string
  default     = null
}

variable "http" {
  description = "Sends events to this URL in place of a queue; with a VPC, from inside of it."
  type = object({
    url = string
    vpc = optional(object({
      vpc            = string
      vswitch        = string
      security_group = string
    }))
  })
  default = null
}

variable "token" {
  description = "What events.token_file of the exporter holds; null where nobody asks for it."
  type        = string
  default     = null
  sensitive   = true
}

data "alicloud_account" "this" {}

data "alicloud_regions" "this" {
  current = true
}

locals {
  region_id = data.alicloud_regions.this.regions[0].id
  queue_arn = "acs:mns:${local.region_id}:${data.alicloud_account.this.id}:queues/${var.name}"
  is_queue  = var.http == null

  queue_parameters = [
    { resource_key = "queue", form = "CONSTANT", value = var.name },
    { resource_key = "Body", form = "ORIGINAL", value = null },
  ]
  vpc = try(var.http.vpc, null)
  http_parameters = var.http == null ? [] : concat(
    [
      { resource_key = "url", form = "CONSTANT", value = var.http.url },
      { resource_key = "Body", form = "ORIGINAL", value = null },
      { resource_key = "Network", form = "CONSTANT", value = local.vpc == null ? "PublicNetwork" : "PrivateNetwork" },
    ],
    local.vpc == null ? [] : [
      { resource_key = "VPCNameAndId", form = "CONSTANT", value = local.vpc.vpc },
      { resource_key = "VSwitchesNameAndId", form = "CONSTANT", value = jsonencode([local.vpc.vswitch]) },
      { resource_key = "SecurityGroupNameAndId", form = "CONSTANT", value = local.vpc.security_group },
    ],
  )
}

resource "alicloud_message_service_queue" "this" {
  count                    = local.is_queue ? 1 : 0
  queue_name               = var.name
  polling_wait_seconds     = 30
  visibility_timeout       = 30
  message_retention_period = 600
}

resource "alicloud_event_bridge_rule" "this" {
  event_bus_name = "default"
  rule_name      = var.name
  description    = "Cloud Assistant says that a task has ended on an instance"
  filter_pattern = jsonencode({
    source = ["acs.ecs"]
    type   = ["ecs:CloudAssistant:TaskCompleted"]
  })

  targets {
    target_id           = var.name
    type                = local.is_queue ? "acs.mns.queue" : split(":", var.http.url)[0]
    endpoint            = local.is_queue ? local.queue_arn : var.http.url
    push_retry_strategy = "BACKOFF_RETRY"

    dynamic "param_list" {
      for_each = local.is_queue ? local.queue_parameters : local.http_parameters
      content {
        resource_key = param_list.value.resource_key
        form         = param_list.value.form
        value        = param_list.value.value
      }
    }

    # Sent as x-eventbridge-signature-token.
    dynamic "param_list" {
      for_each = !local.is_queue && nonsensitive(var.token != null) ? ["Token"] : []
      content {
        resource_key = param_list.value
        form         = "CONSTANT"
        value        = var.token
      }
    }
  }

  depends_on = [alicloud_message_service_queue.this]
}

resource "alicloud_ram_policy" "this" {
  count           = local.is_queue && var.role_name != null ? 1 : 0
  policy_name     = var.name
  description     = "cloud-assistant-exporter fetches task events from its queues"
  policy_document = replace(file("${path.module}/../../ram/queue-policy.json"), "cloud-assistant-events", var.name)
}

resource "alicloud_ram_role_policy_attachment" "this" {
  count       = local.is_queue && var.role_name != null ? 1 : 0
  role_name   = var.role_name
  policy_name = alicloud_ram_policy.this[0].policy_name
  policy_type = "Custom"
}

output "queue_arn" {
  description = "For accounts[].events.queue of the exporter; null with an HTTP target."
  value       = local.is_queue ? local.queue_arn : null
}
