/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "config.h"

#include "lp-lease-list-private.h"

/*
 * The leases in the order they were granted. They end in any order, so the list
 * is a balanced tree: the manager keeps the iterator of each lease, and that
 * gives the position `items-changed` needs in O(log n), where a GListStore would
 * search for it.
 *
 * The tree holds a reference on each info. A handler of `items-changed` may ask
 * the model anything but must find it already changed: change first, then emit.
 */
struct _LpLeaseList
{
  GObject parent_instance;

  GSequence *infos; /* (owner context) of LpLeaseInfo */
};

static void lp_lease_list_model_init (GListModelInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (LpLeaseList, lp_lease_list, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL, lp_lease_list_model_init))

static GType
lp_lease_list_get_item_type (GListModel *model)
{
  return LP_TYPE_LEASE_INFO;
}

static guint
lp_lease_list_get_n_items (GListModel *model)
{
  return (guint) g_sequence_get_length (LP_LEASE_LIST (model)->infos);
}

static gpointer
lp_lease_list_get_item (GListModel *model,
                        guint       position)
{
  GSequence *infos = LP_LEASE_LIST (model)->infos;
  GSequenceIter *iter;

  /* GSequence counts in int and takes a negative position for the end. */
  if (position >= (guint) g_sequence_get_length (infos))
    return NULL;

  iter = g_sequence_get_iter_at_pos (infos, (int) position);

  return g_object_ref (g_sequence_get (iter));
}

static void
lp_lease_list_model_init (GListModelInterface *iface)
{
  iface->get_item_type = lp_lease_list_get_item_type;
  iface->get_n_items = lp_lease_list_get_n_items;
  iface->get_item = lp_lease_list_get_item;
}

static void
lp_lease_list_finalize (GObject *object)
{
  g_sequence_free (LP_LEASE_LIST (object)->infos);

  G_OBJECT_CLASS (lp_lease_list_parent_class)->finalize (object);
}

static void
lp_lease_list_class_init (LpLeaseListClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lp_lease_list_finalize;
}

static void
lp_lease_list_init (LpLeaseList *self)
{
  self->infos = g_sequence_new (g_object_unref);
}

LpLeaseList *
lp_lease_list_new (void)
{
  return g_object_new (LP_TYPE_LEASE_LIST, NULL);
}

/*
 * lp_lease_list_append:
 * @info: (transfer none): a lease that was granted
 * @place: set to the place of @info, valid until it is removed or the list is
 *   cleared; before anybody is told, who may remove it again
 */
void
lp_lease_list_append (LpLeaseList    *self,
                      LpLeaseInfo    *info,
                      GSequenceIter **place)
{
  *place = g_sequence_append (self->infos, g_object_ref (info));

  g_list_model_items_changed (G_LIST_MODEL (self),
                              (guint) g_sequence_iter_get_position (*place), 0, 1);
}

void
lp_lease_list_remove (LpLeaseList   *self,
                      GSequenceIter *position)
{
  guint index = (guint) g_sequence_iter_get_position (position);

  g_sequence_remove (position);

  g_list_model_items_changed (G_LIST_MODEL (self), index, 1, 0);
}

/* Ends the validity of every iterator. An empty list says nothing. */
void
lp_lease_list_clear (LpLeaseList *self)
{
  guint n_items = (guint) g_sequence_get_length (self->infos);

  if (n_items == 0)
    return;

  g_sequence_remove_range (g_sequence_get_begin_iter (self->infos),
                           g_sequence_get_end_iter (self->infos));

  g_list_model_items_changed (G_LIST_MODEL (self), 0, n_items, 0);
}
