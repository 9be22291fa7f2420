/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "config.h"

#include "lp-request-private.h"

#include <math.h>

#include "lp-error.h"

/**
 * LpRequest:
 *
 * What an acquire asks for: a plain object with settings.
 *
 * Every function that takes a request takes %NULL for one with all defaults.
 * The values are checked and copied when the function is called, so a request
 * may be changed and used again afterwards. Values that break a rule are
 * refused by that function, not by the setters here.
 *
 * ```c
 * g_autoptr(LpRequest) request = lp_request_new ();
 *
 * lp_request_set_owner (request, "thumbnailer");
 * lp_request_set_lease_seconds (request, 60.0);
 * lp_request_set_timeout (request, 2.5);
 * lp_manager_acquire_async (manager, request, NULL, acquired_cb, NULL);
 * ```
 *
 * A request has no lock: use it in one thread at a time. Its `notify` signals
 * are emitted by the setters, in the thread that calls them.
 *
 * Since: 1.0
 */

/* How this works: nothing here but values. The numeric specs span everything and are lax, so that each value reaches
 * lp_request_validate(), which the pool calls before it copies them.
 */
struct _LpRequest
{
  GObject parent_instance;

  /* Whoever holds the request; no lock. */
  char *owner;
  double lease_seconds;
  double timeout;
  int priority;
  gboolean wait;
};

enum
{
  PROP_OWNER = 1,
  PROP_LEASE_SECONDS,
  PROP_WAIT,
  PROP_TIMEOUT,
  PROP_PRIORITY,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (LpRequest, lp_request, G_TYPE_OBJECT)

static void
lp_request_finalize (GObject *object)
{
  LpRequest *self = LP_REQUEST (object);

  g_free (self->owner);

  G_OBJECT_CLASS (lp_request_parent_class)->finalize (object);
}

static void
lp_request_get_property (GObject    *object,
                         guint       prop_id,
                         GValue     *value,
                         GParamSpec *pspec)
{
  LpRequest *self = LP_REQUEST (object);

  switch (prop_id)
    {
    case PROP_OWNER:
      g_value_set_string (value, self->owner);
      break;

    case PROP_LEASE_SECONDS:
      g_value_set_double (value, self->lease_seconds);
      break;

    case PROP_WAIT:
      g_value_set_boolean (value, self->wait);
      break;

    case PROP_TIMEOUT:
      g_value_set_double (value, self->timeout);
      break;

    case PROP_PRIORITY:
      g_value_set_int (value, self->priority);
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lp_request_set_property (GObject      *object,
                         guint         prop_id,
                         const GValue *value,
                         GParamSpec   *pspec)
{
  LpRequest *self = LP_REQUEST (object);

  switch (prop_id)
    {
    case PROP_OWNER:
      lp_request_set_owner (self, g_value_get_string (value));
      break;

    case PROP_LEASE_SECONDS:
      lp_request_set_lease_seconds (self, g_value_get_double (value));
      break;

    case PROP_WAIT:
      lp_request_set_wait (self, g_value_get_boolean (value));
      break;

    case PROP_TIMEOUT:
      lp_request_set_timeout (self, g_value_get_double (value));
      break;

    case PROP_PRIORITY:
      lp_request_set_priority (self, g_value_get_int (value));
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

#define FLAGS (G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS)

/* What lease is asked for. */
static void
create_lease_properties (void)
{
  /**
   * LpRequest:owner: (getter get_owner) (setter set_owner)
   *
   * Who asks, for people: it is shown in messages, statistics and signals.
   *
   * Since: 1.0
   */
  props[PROP_OWNER] = g_param_spec_string ("owner", NULL, NULL, NULL, FLAGS);

  /**
   * LpRequest:lease-seconds: (getter get_lease_seconds) (setter set_lease_seconds)
   *
   * How long the lease lasts until its soft expiry, in seconds from the grant.
   *
   * -1 stands for [property@Lp.Manager:default-lease-seconds]; any other value
   * must be finite and greater than 0.
   *
   * Since: 1.0
   */
  props[PROP_LEASE_SECONDS] =
    g_param_spec_double ("lease-seconds", NULL, NULL, -INFINITY, INFINITY, -1.0, FLAGS | G_PARAM_LAX_VALIDATION);
}

/* How long, and before whom. */
static void
create_waiting_properties (void)
{
  /**
   * LpRequest:wait: (getter get_wait) (setter set_wait)
   *
   * Whether to wait when no executor is free.
   *
   * If %FALSE, an acquire that finds none fails at once with
   * %LP_ERROR_UNAVAILABLE.
   *
   * Since: 1.0
   */
  props[PROP_WAIT] = g_param_spec_boolean ("wait", NULL, NULL, TRUE, FLAGS);

  /**
   * LpRequest:timeout: (getter get_timeout) (setter set_timeout)
   *
   * How long to wait for an executor, in seconds.
   *
   * -1 waits without a limit and 0 not at all, as if [property@Lp.Request:wait]
   * were %FALSE; any other value must be finite and greater than 0. An acquire
   * that has waited so long fails with %G_IO_ERROR_TIMED_OUT.
   *
   * Since: 1.0
   */
  props[PROP_TIMEOUT] =
    g_param_spec_double ("timeout", NULL, NULL, -INFINITY, INFINITY, -1.0, FLAGS | G_PARAM_LAX_VALIDATION);

  /**
   * LpRequest:priority: (getter get_priority) (setter set_priority)
   *
   * The place among those who wait: lower numbers come first, as with the
   * priorities of GLib, equal ones in the order of their calls.
   *
   * Since: 1.0
   */
  props[PROP_PRIORITY] =
    g_param_spec_int ("priority", NULL, NULL, G_MININT, G_MAXINT, 0, FLAGS | G_PARAM_LAX_VALIDATION);
}

static void
lp_request_class_init (LpRequestClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = lp_request_finalize;
  object_class->get_property = lp_request_get_property;
  object_class->set_property = lp_request_set_property;

  create_lease_properties ();
  create_waiting_properties ();
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
lp_request_init (LpRequest *self)
{
  self->lease_seconds = -1.0;
  self->wait = TRUE;
  self->timeout = -1.0;
}

static gboolean
refuse (GError     **error,
        const char  *property,
        double       value,
        const char  *rule)
{
  g_set_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
               "The property %s of the request is %g: it must be %s", property, value, rule);
  return FALSE;
}

gboolean
lp_request_validate (LpRequest  *self,
                     GError    **error)
{
  g_return_val_if_fail (self == NULL || LP_IS_REQUEST (self), FALSE);

  if (self == NULL)
    return TRUE;

  if (self->lease_seconds != -1.0 && !(isfinite (self->lease_seconds) && self->lease_seconds > 0.0))
    return refuse (error, "lease-seconds", self->lease_seconds,
                   "-1 (the manager's default) or a finite number greater than 0");

  if (self->timeout != -1.0 && !(isfinite (self->timeout) && self->timeout >= 0.0))
    return refuse (error, "timeout", self->timeout, "-1 (no limit) or a finite number of at least 0");

  return TRUE;
}

/**
 * lp_request_new:
 *
 * Creates a request with all defaults. It may be called from any thread.
 *
 * Returns: (transfer full): a new request
 *
 * Since: 1.0
 */
LpRequest *
lp_request_new (void)
{
  return g_object_new (LP_TYPE_REQUEST, NULL);
}

/**
 * lp_request_get_owner:
 * @self: a request
 *
 * Gets who asks. The string belongs to the request and is valid until the next
 * change.
 *
 * Returns: (nullable) (transfer none): the name of the owner
 *
 * Since: 1.0
 */
const char *
lp_request_get_owner (LpRequest *self)
{
  g_return_val_if_fail (LP_IS_REQUEST (self), NULL);

  return self->owner;
}

/**
 * lp_request_set_owner:
 * @self: a request
 * @owner: (nullable): the name of the owner
 *
 * Sets who asks, see [property@Lp.Request:owner]. The string is copied.
 *
 * Since: 1.0
 */
void
lp_request_set_owner (LpRequest  *self,
                      const char *owner)
{
  char *old_owner;

  g_return_if_fail (LP_IS_REQUEST (self));

  if (g_strcmp0 (self->owner, owner) == 0)
    return;

  /* The new one may be a part of the old one. */
  old_owner = g_steal_pointer (&self->owner);
  self->owner = g_strdup (owner);
  g_free (old_owner);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_OWNER]);
}

/**
 * lp_request_get_lease_seconds:
 * @self: a request
 *
 * Gets how long the lease shall last, in seconds.
 *
 * Returns: the duration, or -1 for the default of the manager
 *
 * Since: 1.0
 */
double
lp_request_get_lease_seconds (LpRequest *self)
{
  g_return_val_if_fail (LP_IS_REQUEST (self), -1.0);

  return self->lease_seconds;
}

/**
 * lp_request_set_lease_seconds:
 * @self: a request
 * @lease_seconds: the duration in seconds, or -1 for the default of the manager
 *
 * Sets how long the lease shall last, see [property@Lp.Request:lease-seconds].
 *
 * Since: 1.0
 */
void
lp_request_set_lease_seconds (LpRequest *self,
                              double     lease_seconds)
{
  g_return_if_fail (LP_IS_REQUEST (self));

  if (self->lease_seconds == lease_seconds)
    return;

  self->lease_seconds = lease_seconds;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_LEASE_SECONDS]);
}

/**
 * lp_request_get_wait:
 * @self: a request
 *
 * Gets whether to wait when no executor is free.
 *
 * Returns: %TRUE to wait
 *
 * Since: 1.0
 */
gboolean
lp_request_get_wait (LpRequest *self)
{
  g_return_val_if_fail (LP_IS_REQUEST (self), FALSE);

  return self->wait;
}

/**
 * lp_request_set_wait:
 * @self: a request
 * @wait: %TRUE to wait
 *
 * Sets whether to wait when no executor is free, see [property@Lp.Request:wait].
 *
 * Since: 1.0
 */
void
lp_request_set_wait (LpRequest *self,
                     gboolean   wait)
{
  g_return_if_fail (LP_IS_REQUEST (self));

  wait = !!wait;
  if (self->wait == wait)
    return;

  self->wait = wait;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_WAIT]);
}

/**
 * lp_request_get_timeout:
 * @self: a request
 *
 * Gets how long to wait for an executor, in seconds.
 *
 * Returns: the time-out, or -1 for none
 *
 * Since: 1.0
 */
double
lp_request_get_timeout (LpRequest *self)
{
  g_return_val_if_fail (LP_IS_REQUEST (self), -1.0);

  return self->timeout;
}

/**
 * lp_request_set_timeout:
 * @self: a request
 * @timeout: the time-out in seconds, or -1 for none
 *
 * Sets how long to wait for an executor, see [property@Lp.Request:timeout].
 *
 * Since: 1.0
 */
void
lp_request_set_timeout (LpRequest *self,
                        double     timeout)
{
  g_return_if_fail (LP_IS_REQUEST (self));

  if (self->timeout == timeout)
    return;

  self->timeout = timeout;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_TIMEOUT]);
}

/**
 * lp_request_get_priority:
 * @self: a request
 *
 * Gets the place among those who wait.
 *
 * Returns: the priority, lower numbers first
 *
 * Since: 1.0
 */
int
lp_request_get_priority (LpRequest *self)
{
  g_return_val_if_fail (LP_IS_REQUEST (self), 0);

  return self->priority;
}

/**
 * lp_request_set_priority:
 * @self: a request
 * @priority: the priority, lower numbers first
 *
 * Sets the place among those who wait, see [property@Lp.Request:priority].
 *
 * Since: 1.0
 */
void
lp_request_set_priority (LpRequest *self,
                         int        priority)
{
  g_return_if_fail (LP_IS_REQUEST (self));

  if (self->priority == priority)
    return;

  self->priority = priority;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_PRIORITY]);
}
