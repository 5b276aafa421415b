# The RAM role of the exporter with the least policy, for a pod of ACK (RRSA) or for an ECS instance.
#
#   module "cloud_assistant_exporter" {
#     source = "./deploy/terraform"
#     rrsa = {
#       oidc_provider_arn = "acs:ram::1234567890123456:oidc-provider/ack-rrsa-c0123456789"
#       oidc_issuer_url   = "https://oidc-ack-cn-hangzhou.oss-cn-hangzhou.aliyuncs.com/c0123456789"
#     }
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
  description = "Name of the role and of its policy."
  type        = string
  default     = "cloud-assistant-exporter"
}

variable "rrsa" {
  description = "The cluster's OIDC provider and the pod's service account; null for the role of an ECS instance."
  type = object({
    oidc_provider_arn = string
    oidc_issuer_url   = string
    namespace         = optional(string, "cloud-assistant")
    service_account   = optional(string, "cloud-assistant-exporter")
  })
  default = null
}

locals {
  # Only this service account of this cluster, or any ECS instance that the role is attached to.
  trust = var.rrsa == null ? {
    Effect    = "Allow"
    Action    = "sts:AssumeRole"
    Principal = { Service = ["ecs.aliyuncs.com"] }
    Condition = {}
    } : {
    Effect    = "Allow"
    Action    = "sts:AssumeRole"
    Principal = { Federated = [var.rrsa.oidc_provider_arn] }
    Condition = {
      StringEquals = {
        "oidc:iss" = [var.rrsa.oidc_issuer_url]
        "oidc:aud" = ["sts.aliyuncs.com"]
        "oidc:sub" = ["system:serviceaccount:${var.rrsa.namespace}:${var.rrsa.service_account}"]
      }
    }
  }
}

resource "alicloud_ram_role" "this" {
  role_name                   = var.name
  description                 = "cloud-assistant-exporter reads the results of Cloud Assistant commands"
  assume_role_policy_document = jsonencode({ Version = "1", Statement = [local.trust] })
}

resource "alicloud_ram_policy" "this" {
  policy_name     = var.name
  description     = "What cloud-assistant-exporter asks the ECS API for"
  policy_document = file("${path.module}/../ram/policy.json")
}

resource "alicloud_ram_role_policy_attachment" "this" {
  role_name   = alicloud_ram_role.this.role_name
  policy_name = alicloud_ram_policy.this.policy_name
  policy_type = "Custom"
}

output "role_name" {
  description = "For role_name of the module in events."
  value       = alicloud_ram_role.this.role_name
}

output "role_arn" {
  description = "For rrsa.roleArn of the chart."
  value       = alicloud_ram_role.this.arn
}
