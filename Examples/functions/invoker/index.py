# -*- coding: utf-8 -*-
import lecoresdk
edgefc = lecoresdk.Client()
def handler(event, context):
  context = {"custom": {"data": "customData"}}
  invokeParams = {
    "serviceName": 'EdgeFC',
    "functionName": 'helloworld',
    "invocationType": 'Sync',
    "invokerContext": context,
    "payload": 'String message from Python Invoker.'
  }
  res = edgefc.invoke_function(invokeParams)
  return 'OK'
