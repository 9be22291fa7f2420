/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <gio/gio.h>

/* The way into a GMainContext: one source per context over a locked queue. */

typedef struct _LpDelivery     LpDelivery;
typedef struct _LpDeliveryItem LpDeliveryItem;

typedef void (*LpDeliveryItemFunc) (LpDeliveryItem *item);

/* Embedded in what is delivered, first or not. */
struct _LpDeliveryItem
{
  LpDeliveryItem *next;         /* (delivery lock) */
  LpDeliveryItemFunc run;       /* in the context; owns whatever the item holds */
  LpDeliveryItemFunc fetch;     /* (nullable) before that, while others run: fetches what `run` is going to touch */
  gpointer holds;               /* (nullable) the object that it gives back */
};

LpDelivery   *lp_delivery_ref_current  (void);
LpDelivery   *lp_delivery_ref_current_with (gpointer object);
LpDelivery   *lp_delivery_ref_context  (GMainContext *context);
LpDelivery   *lp_delivery_ref          (LpDelivery *self);
void          lp_delivery_unref        (LpDelivery *self);
void          lp_delivery_give_back    (LpDelivery *self, gpointer object);
GMainContext *lp_delivery_get_context  (LpDelivery *self);
gboolean      lp_delivery_is_current   (LpDelivery *self);
gboolean      lp_delivery_is_asleep    (LpDelivery *self);

void          lp_delivery_forget_all   (void);

void          lp_delivery_post         (LpDelivery *self, LpDeliveryItem *item);
void          lp_delivery_post_func    (LpDelivery *self, GFunc func, gpointer data, gpointer more);
void          lp_delivery_post_destroy (LpDelivery *self, GDestroyNotify destroy, gpointer data);
void          lp_delivery_run          (LpDelivery *self);
void          lp_delivery_reap         (LpDelivery *self);
