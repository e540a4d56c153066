# -*- coding: utf-8 -*-
import logging
import lecoresdk
def handler(event, context):
  return 'hello world'
